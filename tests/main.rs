//! One test binary: journey, isolation, permissions, faults, golden, api.
