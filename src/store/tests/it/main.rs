//! What the store promises, held against real engines, real files and a small reference model.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod columns;
#[cfg(test)]
mod courier;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod feed;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod model;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod repairs;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod stamps;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod world;
