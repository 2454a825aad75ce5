//! Links over real sockets with real certificates: the vectors V and F that need both.

#[cfg(test)]
mod area;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod given;
#[cfg(test)]
mod handshakes;
#[cfg(test)]
mod joins;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod world;
