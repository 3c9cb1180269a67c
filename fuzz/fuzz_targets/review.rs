#![no_main]

use understudy_fuzz::review;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| review::check(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    understudy_fuzz::json::mutate(data, size, max_size, seed, review::WORDS)
});
