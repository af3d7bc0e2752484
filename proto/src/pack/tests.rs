//! Packs from outside: whole, damaged and hostile.


