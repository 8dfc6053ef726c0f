//! The Telemetry API's inside: subscriptions, buffers, deliveries.

mod arrange;
mod buffer;
mod delivery;
mod hub;
mod pause;
mod subscription;

pub(crate) use hub::Hub;
pub(crate) use subscription::Subscription;
