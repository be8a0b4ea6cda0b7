//! The helm chart: what its schema takes and refuses, what it makes of values, and (`cluster`) what a real Kubernetes makes of that.

mod alerts;
mod api;
mod broken;
mod cases;
mod cluster;
mod dashboards;
mod edges;
mod helm;
mod invariants;
mod objects;
mod refused;
mod rendering;
