//! What coordinator, workers and clients say to each other, and how it lies on the wire.
//!
//! One connection a worker, over a private Unix socket. The worker speaks first ([`Hello`]); the coordinator answers
//! with [`ToWorker::Welcome`] or closes. From then on both sides send when they have something to say.
//!
//! - A worker runs one assignment at a time. Everything it says of it carries the [`Claim`]: a claim that the
//!   coordinator has given up (a fenced attempt) is counted and dropped, never an error.
//! - Reports of one attempt are numbered from 1. The coordinator acknowledges a number once that report and all
//!   before it are durable; until then the worker keeps them, and sends them again after a reconnection.
//! - A report that arrives twice is acknowledged twice and recorded once.
//!
//! Inside a worker, [`work`] is what connection and training say to each other, and [`tools`] what a command asks of a
//! worker program without any connection.
//!
//! It owns the words and their bytes. It must not know sockets or threads, nor what is done with a message.

pub mod codec;
pub mod message;
pub mod tools;
pub mod work;

pub use message::*;
pub use work::{Ended, Observer, Stop};
