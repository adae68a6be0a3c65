/* What this library was built from, and what the processor can do. */
#include "kernel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

const char kernel_digest[] = KERNEL_DIGEST;

#if defined(__x86_64__)
static int has(unsigned int word, unsigned int bits) { return (word & bits) == bits; }
#endif

int kernel_has_v3(void) {
#if defined(__x86_64__)
    unsigned int a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if (!has(c, bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C)) return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if (!has(saved, 6)) return 0; /* the system keeps the registers of SSE and AVX */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!has(b, bit_BMI | bit_AVX2 | bit_BMI2)) return 0;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && has(c, bit_LZCNT);
#else
    return 0;
#endif
}
