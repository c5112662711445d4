//! Greenroom under a virtual clock, network and disk.
