//! What single operations cost, compiled for WasmEdge and for the machine itself. Each line is the median of several
//! runs of many operations.

#[cfg(target_os = "wasi")]
mod sockets;

use std::hint::black_box;
use std::time::{Instant, SystemTime};

const RUNS: usize = 9;

fn main() {
    measure("direct call", 1_000_000, 1, || {
        black_box(add(black_box(1)));
    });
    let functions: [fn(u64) -> u64; 2] = black_box([add, multiply]);
    let mut number = 0;
    measure("indirect call (call_indirect)", 1_000_000, 1, || {
        number = black_box(functions.get(number as usize % 2)).map_or(0, |function| function(number));
    });
    let source = vec![7_u8; 65_536];
    let mut target = vec![0_u8; 65_536];
    for length in [8, 64, 1_024, 65_536] {
        let name = format!("copy of {length} bytes (memory.copy)");
        measure(&name, if length > 10_000 { 10_000 } else { 1_000_000 }, 1, || {
            let length = black_box(length);
            target[..length].copy_from_slice(&source[..length]);
            black_box(&target);
        });
    }
    measure("look at the clock (clock_time_get)", 1_000_000, 1, || {
        black_box(SystemTime::now());
    });
    #[cfg(target_os = "wasi")]
    sockets::measure_all();
}

#[inline(never)]
fn add(number: u64) -> u64 {
    number.wrapping_add(1)
}

#[inline(never)]
fn multiply(number: u64) -> u64 {
    number.wrapping_mul(3)
}

/// Prints the time of one of `parts` equal parts of `operation`.
fn measure(name: &str, operations: u32, parts: usize, mut operation: impl FnMut()) {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            (0..operations).for_each(|_| operation());
            start.elapsed().as_nanos() as f64 / f64::from(operations) / parts as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name}: {:.1} ns", times[RUNS / 2]);
}
