//! The images and the stack, with a real container engine: `make test-container` runs these.
//!
//! They need what `scripts/container-system.sh` prepares, and so they are ignored elsewhere.

mod durability;
mod image;
mod isolation;
mod memory;
mod podman;
mod speed;
mod stack;
