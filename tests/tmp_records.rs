#![cfg(test)]
mod database;
mod records;
