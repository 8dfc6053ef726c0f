//! Gives memory that the allocator keeps for later back to the system.
//!
//! The one module with unsafe code (`cargo xtask check` holds that): glibc keeps what a burst has freed, five
//! times what is in use, and no safe crate offers the call that makes it give it back. The allocators that were
//! measured against it are in docs/decisions/0009.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "malloc_trim has no safe wrapper")
)]

/// Gives back every page that is wholly free; costs about a millisecond after a burst. Other allocators than
/// glibc's are left alone.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number of bytes to keep and no pointer. It locks the arenas itself, so it may be
    // called whenever malloc may be, and changes free chunks only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryReader;

    /// Chunks of the size of documents, so that glibc does not map each of its own.
    const CHUNK: usize = 1024;
    const CHUNKS: usize = 32 * 1024;

    #[test]
    fn what_was_freed_is_given_back() {
        /// Other tests of this program take and give back memory meanwhile, hardly in each of so many short moments.
        const MOMENTS: usize = 20;
        let reader = MemoryReader::open();
        let anonymous = || reader.process(0).process.unwrap().anonymous;
        let given_back = || {
            let chunks: Vec<Vec<u8>> = (0..CHUNKS).map(|_| vec![1; CHUNK]).collect();
            // One of a hundred stays: the top of the heap is not free.
            let kept: Vec<Vec<u8>> = chunks.into_iter().step_by(100).collect();
            let before = anonymous();
            give_back();
            let given_back = before.minus(anonymous());
            drop(kept);
            given_back.get() >> 20
        };
        let too_little: Vec<u64> = (0..MOMENTS)
            .map(|_| given_back())
            .take_while(|given| *given <= 16)
            .collect();
        assert!(
            !cfg!(target_env = "gnu") || too_little.len() < MOMENTS,
            "{too_little:?} MiB each time"
        );
    }
}
