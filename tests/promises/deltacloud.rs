//! Deltacloud's API for keys: the vectors of `spec/facades.md` 2.4, by real curl, openssl, ssh-keygen and PyPI's client.

mod bad;
mod entry;
mod keys;
mod owners;
mod place;
