//! The form of the list's entries.

/// Makes the associated constants of [`Reason`](crate::Reason) and `PART`, the list of them.
///
/// ```text
/// /// What it means, in sentences.
/// WORD [422, violation] "Title",
///     "What a client can do.";
/// ```
macro_rules! reasons {
    ($( $(#[doc = $meaning:literal])+ $word:ident [$($place:tt),+] $title:literal, $remedy:literal; )+) => {
        impl $crate::Reason {
            $(
                $(#[doc = $meaning])+
                pub const $word: Self = Self::of(&$crate::reason::Entry {
                    word: stringify!($word),
                    title: $title,
                    uses: &[$(reasons!(@place $place)),+],
                    meaning: &[$($meaning),+],
                    remedy: $remedy,
                });
            )+
        }

        /// This part of the list.
        pub(super) const PART: &[$crate::Reason] = &[$($crate::Reason::$word),+];
    };
    (@place violation) => { $crate::Use::Violation };
    (@place operation) => { $crate::Use::Operation };
    (@place warning) => { $crate::Use::Warning };
    (@place $status:literal) => { $crate::Use::Status($status) };
}

pub(crate) use reasons;
