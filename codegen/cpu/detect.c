/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Which instruction sets this CPU has, asked once a process: part of every model that needs more
 * than its architecture's base. Threads that ask at the same time find and store the same word.
 */
#include "codegen/body.h"

enum { KNOWN = 63 }; /* the bit that says that the others are there */

static uint64_t found; /* 0: not asked yet */

uint64_t ran_cpu_features(void);

#if defined(__x86_64__)

enum {
    CPUID_1_ECX,
    CPUID_7_EBX,
    CPUID_7_ECX,
    CPUID_7_EDX,
    CPUID_71_EAX,
    CPUID_71_EDX,
    CPUID_EXT_ECX,
    CPUID_WORDS
};
enum { STATE_AVX = 0x6, STATE_AVX512 = 0xe6, OSXSAVE = 1 << 27 };

struct registers {
    uint32_t eax, ebx, ecx, edx;
};

struct feature {
    const char *name, *macro, *parent;
    uint32_t word, bit, state;
};

static struct registers cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct registers r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* XCR0: the registers that the operating system saves. */
static uint32_t saved_state(uint32_t cpuid_1_ecx)
{
    uint32_t low, high;
    if (!(cpuid_1_ecx & OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void read_words(uint32_t *words)
{
    struct registers base = cpuid(0, 0), extended = cpuid(0x80000000u, 0), one = cpuid(1, 0);
    words[CPUID_1_ECX] = one.ecx;
    if (base.eax >= 7) {
        struct registers seven = cpuid(7, 0);
        words[CPUID_7_EBX] = seven.ebx;
        words[CPUID_7_ECX] = seven.ecx;
        words[CPUID_7_EDX] = seven.edx;
        if (seven.eax >= 1) {
            struct registers more = cpuid(7, 1);
            words[CPUID_71_EAX] = more.eax;
            words[CPUID_71_EDX] = more.edx;
        }
    }
    if (extended.eax >= 0x80000001u)
        words[CPUID_EXT_ECX] = cpuid(0x80000001u, 0).ecx;
}

#define RAN_X86_FEATURE(...) {__VA_ARGS__},
static const struct feature features[] = {
#include "codegen/cpu/features.def"
};

static uint64_t ask(void)
{
    uint32_t words[CPUID_WORDS] = {0};
    uint64_t result = 0;
    read_words(words);
    uint32_t state = saved_state(words[CPUID_1_ECX]);
    for (unsigned i = 0; i < sizeof(features) / sizeof(*features); i++)
        if (words[features[i].word] >> features[i].bit & 1 &&
            (state & features[i].state) == features[i].state)
            result |= 1ull << i;
    return result;
}

#elif defined(__aarch64__)

enum { HWCAP = 16, HWCAP2 = 26 }; /* Linux' AT_HWCAP and AT_HWCAP2 */

unsigned long getauxval(unsigned long type);

struct feature {
    const char *name, *macro, *parent;
    uint32_t word, bit;
};

#define RAN_ARM_FEATURE(...) {__VA_ARGS__},
static const struct feature features[] = {
#include "codegen/cpu/features.def"
};

static uint64_t ask(void)
{
    uint64_t result = 0;
    uint64_t first = getauxval(HWCAP), second = getauxval(HWCAP2);
    for (unsigned i = 0; i < sizeof(features) / sizeof(*features); i++)
        if ((features[i].word == HWCAP ? first : second) >> features[i].bit & 1)
            result |= 1ull << i;
    return result;
}

#endif

uint64_t ran_cpu_features(void)
{
    uint64_t result = __atomic_load_n(&found, __ATOMIC_RELAXED);
    if (result)
        return result;
    result = ask() | 1ull << KNOWN;
    __atomic_store_n(&found, result, __ATOMIC_RELAXED);
    return result;
}
