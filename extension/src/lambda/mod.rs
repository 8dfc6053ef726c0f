//! Talks to Lambda: register, poll, subscribe.

pub mod api;
pub mod lifecycle;
pub mod poll;
pub mod registration;
pub mod subscribe;
