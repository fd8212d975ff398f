/* Philox4x32-10, the counter-based generator: 128 random bits from a counter and a key, with no state.
 *
 * In come a seed, an offset (the number of draws before this one) and an element's position; out comes the element's random value, the same in eager
 * code, in compiled code, on any number of threads and in any order. After J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011 (Random123). The one idea: element i of a draw is lane i % 4 of the block with counter
 * (i / 4 low, i / 4 high, offset low, offset high) and key (seed low, seed high); a vector of elements computes its blocks side by side.
 *
 *   philox_block(seed, offset, block, out)            the four words of one block
 *   random_bits(seed, offset, element) -> uint32      element: int64_t or int64_v (any values, in any order)
 *   uniform_float(seed, offset, element, n = 24) -> float    (bits >> (32 - n)) * 2^-n, in [0, 1)
 *   uniform_half, uniform_bfloat16 (seed, offset, element) -> float   n = 11 and n = 8, as many as the significands hold
 *   uniform_double(seed, offset, element) -> double   two lanes an element, (bits64 >> 11) * 2^-53
 *   random_bits64(seed, offset, element) -> int64     two lanes an element: of block i / 2, word 2 (i % 2) is the high half, the next the low half
 *   random_below(seed, offset, element, low, high) -> int64    in [low, high)
 * `seed` and `offset` are int64 scalars (offset already includes the call's index). */
#ifndef SEGUE_PHILOX_H
#define SEGUE_PHILOX_H

namespace segue {

enum : uint32_t { PHILOX_M0 = 0xD2511F53u, PHILOX_M1 = 0xCD9E8D57u, PHILOX_W0 = 0x9E3779B9u, PHILOX_W1 = 0xBB67AE85u };

/* The high half of the 64-bit products of the lanes with one constant. */
SEGUE_INLINE uint32_t multiply_high(uint32_t x, uint32_t constant) { return (uint32_t)(((uint64_t)x * constant) >> 32); }
SEGUE_INLINE reg<uint64_t> multiply_even(reg<uint64_t> x, uint32_t constant) {
#if SEGUE_AVX512
    const raw<long long, 64>::type zero = {};
    return (reg<uint64_t>)__builtin_ia32_pmuludq512_mask((raw<int, 64>::type)x, (raw<int, 64>::type)(reg<uint64_t>{} + constant), zero, (char)-1);
#elif SEGUE_AVX2
    return (reg<uint64_t>)__builtin_ia32_pmuludq256((raw<int, 32>::type)x, (raw<int, 32>::type)(reg<uint64_t>{} + constant));
#else
    return (x & 0xffffffffu) * (uint64_t)constant;
#endif
}
SEGUE_INLINE uint32_v multiply_high(uint32_v x, uint32_t constant) {
    auto pairs = (reg<uint64_t>)x.r;
    auto even = multiply_even(pairs, constant) >> 32, odd = multiply_even(pairs >> 32, constant) & 0xffffffff00000000u;
    return uint32_v((reg<uint32_t>)(even | odd));
}

/* c0, c1, c2, c3 are replaced by the block's four words; W is uint32_t or uint32_v. */
template <class W> SEGUE_INLINE void philox_rounds(W& c0, W& c1, W& c2, W& c3, uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round_number = 0; round_number < 10; ++round_number) {
        W high0 = multiply_high(c0, PHILOX_M0), low0 = c0 * W(PHILOX_M0);
        W high1 = multiply_high(c2, PHILOX_M1), low1 = c2 * W(PHILOX_M1);
        c0 = high1 ^ c1 ^ W(k0);
        c1 = low1;
        c2 = high0 ^ c3 ^ W(k1);
        c3 = low0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
}
SEGUE_INLINE void philox_block(int64_t seed, int64_t offset, int64_t block, uint32_t* out) {
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = (uint32_t)offset, c3 = (uint32_t)((uint64_t)offset >> 32);
    philox_rounds(c0, c1, c2, c3, (uint64_t)seed);
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}
SEGUE_INLINE uint32_v low_words(int64_v x) { return to_uint32(to_int32(x & 0xffffffff)); }
SEGUE_INLINE uint32_v high_words(int64_v x) { return to_uint32(to_int32(x >> 32)); }

SEGUE_INLINE uint32_t random_bits(int64_t seed, int64_t offset, int64_t element) {
    uint32_t words[4];
    philox_block(seed, offset, element >> 2, words);
    return words[element & 3];
}
SEGUE_INLINE uint32_v random_bits(int64_t seed, int64_t offset, int64_v element) {
    int64_v block = element >> 2;
    uint32_v c0 = low_words(block), c1 = high_words(block), c2((uint32_t)offset), c3((uint32_t)((uint64_t)offset >> 32));
    philox_rounds(c0, c1, c2, c3, (uint64_t)seed);
    int32_v place = to_int32(element & 3);
    return select((place & 2) != 0, select((place & 1) != 0, c3, c2), select((place & 1) != 0, c1, c0));
}
SEGUE_INLINE int64_t random_bits64(int64_t seed, int64_t offset, int64_t element) {
    uint32_t words[4];
    philox_block(seed, offset, element >> 1, words);
    return (int64_t)((uint64_t)words[2 * (element & 1)] << 32 | words[2 * (element & 1) + 1]);
}
SEGUE_INLINE int64_v random_bits64(int64_t seed, int64_t offset, int64_v element) {
    int64_v block = element >> 1;
    uint32_v c0 = low_words(block), c1 = high_words(block), c2((uint32_t)offset), c3((uint32_t)((uint64_t)offset >> 32));
    philox_rounds(c0, c1, c2, c3, (uint64_t)seed);
    mask_v second = to_int32(element & 1) != 0;
    return (to_int64(select(second, c2, c0)) << 32) | to_int64(select(second, c3, c1));
}
template <class I> SEGUE_INLINE auto uniform_float(int64_t seed, int64_t offset, I element, int significand = 24) {
    return to_float(to_int32(random_bits(seed, offset, element) >> (uint32_t)(32 - significand))) * (1.0f / (float)(1 << significand));
}
template <class I> SEGUE_INLINE auto uniform_half(int64_t seed, int64_t offset, I element) { return uniform_float(seed, offset, element, 11); }
template <class I> SEGUE_INLINE auto uniform_bfloat16(int64_t seed, int64_t offset, I element) { return uniform_float(seed, offset, element, 8); }
SEGUE_INLINE double uniform_double(int64_t seed, int64_t offset, int64_t element) {
    return (double)(int64_t)((uint64_t)random_bits64(seed, offset, element) >> 11) * 0x1p-53;
}
SEGUE_INLINE double_v uniform_double(int64_t seed, int64_t offset, int64_v element) {
    return to_double((random_bits64(seed, offset, element) >> 11) & 0x1fffffffffffff) * 0x1p-53;
}
/* Up to 2^31 values: the high half of word * span; more: 63 bits modulo span. */
template <class I> SEGUE_INLINE I random_below(int64_t seed, int64_t offset, I element, int64_t low, int64_t high) {
    const int64_t span = high - low;
    if (span <= int64_t(1) << 31) return ((to_int64(random_bits(seed, offset, element)) * I(span)) >> 32) + I(low);
    I word = random_bits64(seed, offset, element);
    return fmod((((word >> 33) & 0x7fffffff) << 32) | (word & 0xffffffff), I(span)) + I(low);
}

}  // namespace segue
#endif
