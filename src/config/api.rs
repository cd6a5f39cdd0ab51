//! What the settings mean for the API.

use super::{Config, Secret};
use crate::http::{Authorization, Cors, RequestLimits, Rules, TrustedProxies};

impl Config {
    /// What requests may cost.
    pub fn request_limits(&self) -> RequestLimits {
        RequestLimits {
            max_head_bytes: self.max_head_bytes,
            max_body_bytes: self.max_body_bytes,
            body_timeout: self.body_timeout,
            max_buffer_bytes: self.max_buffer_bytes,
            max_event_readers: self.max_event_readers,
            max_requests_per_second: self.max_requests_per_second,
        }
    }

    /// Who may do what, and whose word is taken.
    pub fn rules(&self) -> Rules {
        let token = self.api_token.clone().map(|Secret(token)| token);
        Rules {
            cors: Cors::new(self.cors_origins.clone(), token.is_some()),
            authorization: Authorization::new(token, self.metrics_need_token),
            proxies: TrustedProxies::new(self.trusted_proxies.clone()),
        }
    }
}
