//! The attacks of docs/THREAT-MODEL.md that are decided in the core. Each is told once, with and without the attack, as
//! a function that says whether what it is about happens: with the attack it must not (`NAME::refused`), and without it,
//! all else being equal, it does (`NAME::twin`). `tests/threats.sh` takes each control out and sees `refused` fail.

mod agreement;
mod council;
mod input;
mod keys;
mod laws;
mod open;
mod page;
mod rules;
mod scene;
mod targets;

/// One attack: `threat!(name, attack => what happens)`.
macro_rules! threat {
    ($name:ident, $attack:ident => $happens:expr) => {
        mod $name {
            use super::*;

            fn happens($attack: bool) -> bool {
                $happens
            }

            #[test]
            fn refused() {
                assert!(!happens(true), "the attack succeeds");
            }

            #[test]
            fn twin() {
                assert!(happens(false), "what is harmless is refused as well");
            }
        }
    };
}
use threat;
