//! Our processes gone, or everything at once: nobody else pays, nothing of a preview opens, everything still ends; and what
//! happened meanwhile is put right on return.

mod away;
mod cold;
mod returned;
mod stage;
