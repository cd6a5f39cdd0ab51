//! How the runtime executes this module: as native code, or by interpreting it.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How the runtime executes this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// As code of the processor.
    Native,
    /// Instruction by instruction.
    Interpreted,
}

/// Bytes of one copy: they stay in the fastest cache.
const BLOCK: usize = 16 * 1024;
const COPIES: usize = 16;
const STEPS: u64 = 4_096;
/// The smallest of so many times counts: others were disturbed.
const ROUNDS: usize = 5;

impl Execution {
    /// Measures how the module is executed, which takes a few milliseconds at most.
    ///
    /// A runtime does not tell this to its module. But it copies memory at the processor's speed in both cases, while it
    /// computes many times slower when it interprets. So the time for 4,096 dependent steps is compared with that for
    /// copying 256 KiB: clearly less as native code, clearly more interpreted, and that hardly depends on how fast or
    /// busy the machine is. It is a guess all the same, for people to read; nothing else depends on it.
    pub fn measure() -> Self {
        let source = vec![1_u8; BLOCK];
        let mut target = vec![0_u8; BLOCK];
        let copying = shortest(|| {
            for _ in 0..COPIES {
                black_box(&mut target).copy_from_slice(black_box(&source));
            }
        });
        let computing = shortest(|| {
            // Knuth's linear congruential generator: each step needs the one before.
            let step = |state: u64, _| {
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407)
            };
            black_box((0..black_box(STEPS)).fold(1, step));
        });
        if computing > copying * 2 { Self::Interpreted } else { Self::Native }
    }

    /// The word that clients are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Interpreted => "interpreted",
        }
    }
}

fn shortest(mut work: impl FnMut()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    times.min().unwrap_or_default()
}
