//! What is counted about requests.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::{Method, StatusCode};

use super::route;
use telemetry::metrics::{Counter, Encoder, Gauge, Guard, Histogram, Source};

/// The values of labels. Whatever is not among them is counted as [`OTHER`], so a client cannot make more of them.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const STATUSES: [&str; 19] = [
    "200", "201", "204", "304", "400", "401", "404", "405", "408", "412", "413", "414", "422",
    "429", "431", "500", "501", "503", "507",
];
const OTHER: &str = "other";

/// The bounds of OpenTelemetry's `http.server.request.duration`, in microseconds.
const DURATION_BOUNDS: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// How many requests there were, and how long they took, by route, method and status.
pub struct RequestMetrics {
    in_flight: Gauge,
    /// One per pattern, and one for all paths without a route.
    routes: Vec<[Series; METHODS.len() + 1]>,
    /// Bytes of the memory budget: reserved, and all of them.
    buffers: [AtomicUsize; 2],
}

/// The requests for one route with one method.
struct Series {
    by_status: [Counter; STATUSES.len() + 1],
    durations: Histogram<{ DURATION_BOUNDS.len() }>,
}

impl Series {
    fn new() -> Self {
        let durations = Histogram::new(&DURATION_BOUNDS);
        Self { by_status: Default::default(), durations }
    }
}

impl RequestMetrics {
    /// No requests yet.
    pub fn new() -> Self {
        let methods = || std::array::from_fn(|_| Series::new());
        let routes = (0..=route::patterns().count()).map(|_| methods()).collect();
        Self { in_flight: Gauge::default(), routes, buffers: Default::default() }
    }

    /// A request is under way until what this gives is dropped.
    pub fn begin(&self) -> Guard {
        self.in_flight.enter()
    }

    /// Shows how much of the memory budget is reserved.
    pub fn show_buffers(&self, reserved: usize, limit: usize) {
        let [shown_reserved, shown_limit] = &self.buffers;
        shown_reserved.store(reserved, Relaxed);
        shown_limit.store(limit, Relaxed);
    }

    /// A request was answered. `pattern` is the place of its route's pattern among all.
    pub fn record(
        &self,
        pattern: Option<usize>,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        let pattern = pattern.unwrap_or(self.routes.len() - 1);
        let method = index(&METHODS, method.as_str());
        let series = self.routes.get(pattern).and_then(|methods| methods.get(method));
        let Some(Series { by_status, durations }) = series else { return };
        durations.observe(duration);
        if let Some(counter) = by_status.get(index(&STATUSES, status.as_str())) {
            counter.count();
        }
    }

    /// Every series with the labels of its route and its method.
    fn series(&self) -> impl Iterator<Item = ([(&'static str, &str); 2], &Series)> {
        let patterns = route::patterns().chain([OTHER]);
        patterns.zip(&self.routes).flat_map(|(pattern, methods)| {
            let names = METHODS.into_iter().chain([OTHER]);
            names
                .zip(methods)
                .map(move |(method, series)| ([("method", method), ("route", pattern)], series))
        })
    }
}

/// Where `text` is in `values`, or behind their end.
fn index(values: &[&str], text: &str) -> usize {
    values.iter().position(|value| *value == text).unwrap_or(values.len())
}

impl Source for RequestMetrics {
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let requests = self.series().flat_map(|([method, route], series)| {
            let statuses = STATUSES.into_iter().chain([OTHER]);
            statuses
                .zip(&series.by_status)
                .map(move |(status, counter)| ([method, route, ("status", status)], counter))
        });
        let requests = requests.filter(|(_, counter)| counter.get() > 0);
        encoder.counters("http_requests_total", "Requests that were answered.", requests)?;
        let durations = self.series().map(|(labels, series)| (labels, &series.durations));
        let durations = durations.filter(|(_, durations)| durations.count() > 0);
        let help = "Time from a request's complete head to its answer.";
        encoder.histograms("http_request_duration_seconds", help, durations)?;
        let help = "Requests that are not answered yet.";
        encoder.gauges("http_requests_in_flight", help, [([], self.in_flight.get())])?;
        let [reserved, limit] = self
            .buffers
            .each_ref()
            .map(|bytes| [([], u64::try_from(bytes.load(Relaxed)).unwrap_or(u64::MAX))]);
        let help = "Memory that is reserved for request bodies and long responses.";
        encoder.gauges("http_buffer_bytes", help, reserved)?;
        let help = "Memory that can be reserved for request bodies and long responses.";
        encoder.gauges("http_buffer_limit_bytes", help, limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use telemetry::metrics::Metrics;

    #[test]
    fn requests_are_counted_by_method_route_and_status() {
        let requests = Arc::new(RequestMetrics::new());
        let find = |path| route::find(path).map(|found| found.index);
        let take = Duration::from_millis(7);
        requests.record(find("/api/todos/7"), &Method::GET, StatusCode::OK, take);
        requests.record(find("/api/todos/8"), &Method::GET, StatusCode::OK, take);
        requests.record(find("/api/todos/8"), &Method::GET, StatusCode::NOT_FOUND, take);
        requests.record(find("/nowhere"), &Method::POST, StatusCode::NOT_FOUND, take);
        let brew = Method::from_bytes(b"BREW").unwrap();
        requests.record(find("/"), &brew, StatusCode::IM_A_TEAPOT, take);
        let under_way = requests.begin();
        let mut metrics = Metrics::default();
        metrics.add(requests);
        let text = metrics.text().unwrap();
        for line in [
            r#"http_requests_total{method="GET",route="/api/todos/{id}",status="200"} 2"#,
            r#"http_requests_total{method="GET",route="/api/todos/{id}",status="404"} 1"#,
            r#"http_requests_total{method="POST",route="other",status="404"} 1"#,
            r#"http_requests_total{method="other",route="/",status="other"} 1"#,
            r#"http_request_duration_seconds_count{method="GET",route="/api/todos/{id}"} 3"#,
            r#"http_request_duration_seconds_bucket{le="0.005",method="GET",route="/api/todos/{id}"} 0"#,
            r#"http_request_duration_seconds_bucket{le="0.01",method="GET",route="/api/todos/{id}"} 3"#,
            "http_requests_in_flight 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.matches("\nhttp_requests_total{").count(), 4);
        drop(under_way);
        assert!(metrics.text().unwrap().contains("\nhttp_requests_in_flight 0\n"));
    }

    #[test]
    fn the_methods_are_those_that_are_of_use_anywhere() {
        let mut methods = METHODS;
        methods.sort_unstable();
        assert_eq!(methods.join(", "), route::all_methods());
    }
}
