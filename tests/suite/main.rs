//! Whole-system scenarios: real processes, real sockets, real freezes.

mod bad_input;
mod chaos;
mod chaos_judge;
mod clients;
mod deadline;
mod destination;
mod destination_credentials;
mod destination_faults;
mod destination_tls;
mod environments;
mod environments_of_lambda;
mod failures;
mod fixtures;
mod flush;
mod inert;
mod memory;
mod memory_limit;
mod names;
mod oversize;
mod proxy;
mod publish;
mod shutdown;
mod signs;
mod spill;
mod telemetry;
mod traces;
