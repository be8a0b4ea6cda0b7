//! Pages of legal data that are larger than an answer.
