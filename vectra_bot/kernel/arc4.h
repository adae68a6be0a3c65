/* ARC4 of several games in lock step.
 *
 * One ARC4 stream is a chain of dependent loads and stores, so a core that produces one stream waits most of
 * the time. Streams do not depend on each other: with three of them in step the waits of one are filled by
 * the work of the others. More than three are slower again: the core then has no room for more stores.
 *
 * The index i of ARC4 grows by 1 with every byte, whatever the key. Key streams are therefore made in
 * blocks of 256 bytes: at the start of each block i is 0 in every stream, also in that of a game that has
 * just begun, so that i is a constant in the unrolled code, and a game may take the place of another at any
 * block.
 */
#ifndef VECTRA_ARC4_H
#define VECTRA_ARC4_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel.h"

enum { ARC4_BYTES = 256, IN_STEP = 3 };

/* One generator between two blocks. */
typedef struct {
    uint8_t state[ARC4_BYTES];
    uint8_t j;
} arc4;

/* Step i of ARC4 in one of the generators; returns where the output byte is. */
INLINED uint8_t arc4_swap(arc4 *generator, uint32_t *j, uint32_t i, uint32_t key) {
    uint8_t *state = generator->state;
    uint32_t t = state[i];
    *j = (uint8_t)(*j + t + key);
    uint32_t u = state[*j];
    state[i] = (uint8_t)u;
    state[*j] = (uint8_t)t;
    return (uint8_t)(t + u);
}

/* Step i of all three; the byte of each goes to `out`, `stride` apart. */
INLINED void arc4_bytes(arc4 *generators, uint32_t *j, uint32_t i, uint8_t *out, size_t stride) {
    for (size_t lane = 0; lane < IN_STEP; lane++) {
        uint8_t where = arc4_swap(generators + lane, j + lane, i, 0);
        out[lane * stride] = generators[lane].state[where];
    }
}

INLINED void arc4_five_bytes(arc4 *generators, uint32_t *j, uint32_t i, uint8_t *out, size_t stride) {
    arc4_bytes(generators, j, i, out, stride);
    arc4_bytes(generators, j, i + 1, out + 1, stride);
    arc4_bytes(generators, j, i + 2, out + 2, stride);
    arc4_bytes(generators, j, i + 3, out + 3, stride);
    arc4_bytes(generators, j, i + 4, out + 4, stride);
}

/* Write the next 256 bytes of each of three generators: i from 1 to 255, and 0. */
INLINED void arc4_block(arc4 *generators, uint8_t *out, size_t stride) {
    uint32_t j[IN_STEP];
    for (int lane = 0; lane < IN_STEP; lane++) j[lane] = generators[lane].j;
    for (uint32_t i = 1; i < ARC4_BYTES; i += 15) {
        arc4_five_bytes(generators, j, i, out + i - 1, stride);
        arc4_five_bytes(generators, j, i + 5, out + i + 4, stride);
        arc4_five_bytes(generators, j, i + 10, out + i + 9, stride);
    }
    arc4_bytes(generators, j, 0, out + ARC4_BYTES - 1, stride);
    for (int lane = 0; lane < IN_STEP; lane++) generators[lane].j = (uint8_t)j[lane];
}

/* Start three generators with keys of 1 to 256 bytes, and drop their first 256 bytes as seedrandom does. */
static __attribute__((noinline)) void arc4_start(arc4 *generators, const uint8_t *const *keys,
                                                 const size_t *lengths) {
    uint8_t repeated[IN_STEP][ARC4_BYTES];
    for (int lane = 0; lane < IN_STEP; lane++) {
        for (size_t at = 0; at < ARC4_BYTES; at += lengths[lane]) {
            size_t left = ARC4_BYTES - at;
            memcpy(repeated[lane] + at, keys[lane], left < lengths[lane] ? left : lengths[lane]);
        }
        for (int i = 0; i < ARC4_BYTES; i++) generators[lane].state[i] = (uint8_t)i;
    }
    uint32_t j[IN_STEP] = {0};
    for (uint32_t i = 0; i < ARC4_BYTES; i++)
        for (int lane = 0; lane < IN_STEP; lane++) arc4_swap(generators + lane, j + lane, i, repeated[lane][i]);
    memset(j, 0, sizeof j);
    for (uint32_t i = 0; i < ARC4_BYTES; i++)
        for (int lane = 0; lane < IN_STEP; lane++) arc4_swap(generators + lane, j + lane, (i + 1) % ARC4_BYTES, 0);
    for (int lane = 0; lane < IN_STEP; lane++) generators[lane].j = (uint8_t)j[lane];
}

#endif
