//! Imports, uploads and errors of one tenant beside another's.
