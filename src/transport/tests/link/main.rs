//! Links over real sockets with real certificates: the vectors V and F that need both.

mod frames;
mod handshakes;
mod joins;
mod moves;
mod world;
