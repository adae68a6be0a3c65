/* Exact replay of games from their keys, equal to vectra_bot/game/fair.py bit for bit (protocol 4).
 *
 * Twelve games are played at a time, in four groups of three (arc4.h). Each round makes one block of key
 * stream per game and uses it up in two passes:
 *
 * 1. Reading, one game after the other. A tick is five draws: rug, god candle, kind, size or drift, sign or
 *    noise. A draw takes bytes until they make a number of at least 2^52 and keeps its upper 53 bits, so its
 *    first byte alone says how many bytes it takes and, nearly always, on which side of a chance it lies:
 *    rug, god candle and kind are decided without computing the number. Each tick becomes two numbers A and
 *    B, such that the price changes by A + (NOISE * root) * B.
 * 2. Prices, all games at once: a loop without branches that compilers turn into vector instructions.
 *
 * Whether a god draw counts depends on the price, which is not known while reading. A god draw is rare, so
 * reading stops before it, the prices are brought up to date, and reading resumes at that tick.
 *
 * Equal bit for bit requires: the venue's order of operations, no fused multiply-add (-ffp-contract=off), no
 * -ffast-math, and 64-bit doubles, as on x86-64 and arm64.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "arc4.h"
#include "kernel.h"

enum {
    GROUPS = 4,
    GAMES = GROUPS * IN_STEP, /* played at a time */
    MAX_PRICES = LAW_MAX_TICKS + 1,
    LONGEST_TICK = 64, /* bytes a tick may take: 5 draws of 8, and 24 bytes of zeros before them */
    MOST_TICKS = 12,   /* read per pass; a block has about 7 */
};

#define BYTE_BELOW(chance) ((int)((chance) * 256)) /* first byte of a draw that may be below the chance */

/* Of a small and of a big move: looked up instead of decided, since a wrong guess of a branch costs more. */
static const double LEAST[2] = {LAW_DRIFT_MIN, LAW_BIG_MOVE_MIN};
static const double SPAN[2] = {LAW_DRIFT_MAX - LAW_DRIFT_MIN, LAW_BIG_MOVE_MAX - LAW_BIG_MOVE_MIN};
static const double NOISY[2] = {1, 0};

/* A draw is below this chance exactly if its first byte is. */
_Static_assert(LAW_BIG_MOVE_CHANCE * 256 == BYTE_BELOW(LAW_BIG_MOVE_CHANCE), "big moves by the first byte");
/* A first byte of 16 or more decides that there is no rug and no god candle. */
_Static_assert(BYTE_BELOW(LAW_RUG_CHANCE) < 16 && BYTE_BELOW(LAW_GOD_CANDLE_CHANCE) < 16, "rare events");
_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be computed as doubles");

/* What the first draws of a tick decide. */
typedef enum { NOTHING, RUG, GOD_CANDLE } event;

/* The games being played. What a pass of prices needs is arranged game by game, for vector instructions. */
typedef struct {
    double price[GAMES], peak[GAMES], low[GAMES];
    double a[MOST_TICKS][GAMES], b[MOST_TICKS][GAMES];
    double made[MOST_TICKS][GAMES];
    int ticks[GAMES]; /* ticks read and not yet priced */

    arc4 generators[GAMES];
    /* Key stream: what is left of the block before, up to LONGEST_TICK bytes, this block, and bytes that are
     * not zero, so that no draw reads on for ever. */
    uint8_t stream[GAMES][LONGEST_TICK + ARC4_BYTES + LONGEST_TICK];
    const uint8_t *read[GAMES]; /* first byte not yet read */
    int64_t id[GAMES];          /* number of the game in the batch; -1: none is played here */
    int32_t prices[GAMES];      /* number of live prices so far */
    int ended[GAMES];
    double *kept; /* MAX_PRICES + MOST_TICKS prices per game, NULL without prices */

    arc4 ready[IN_STEP]; /* generators of the games that begin next */
    int64_t next;        /* number of the next game to begin */
    int64_t started;     /* games whose generators are started */
} table;

INLINED const uint8_t *block_end(const table *t, int g) { return t->stream[g] + LONGEST_TICK + ARC4_BYTES; }

INLINED uint64_t eight_bytes(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

INLINED double negative_if(int condition, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    bits ^= (uint64_t)condition << 63;
    memcpy(&number, &bits, sizeof bits);
    return number;
}

/* A draw, and the byte after it. */
typedef struct {
    double value;
    const uint8_t *after;
} drawn;

/* A draw whose first byte is 0: as the library computes it. */
static __attribute__((noinline)) drawn long_draw(const uint8_t *read) {
    uint64_t number = 0, last = 0;
    for (int i = 0; i < 6; i++) number = number << 8 | *read++;
    int bits = 48;
    while (number < (uint64_t)1 << 52) {
        number = (number + last) << 8;
        bits += 8;
        last = *read++;
    }
    int surplus = 0;
    for (; number >= (uint64_t)1 << 53; surplus++) number >>= 1;
    return (drawn){ldexp((double)(number + (last >> surplus)), surplus - bits), read};
}

/* The draw at `read`. A first byte of 16 or more ends it after seven bytes, 1 to 15 after eight. */
INLINED drawn draw(const uint8_t *read) {
    uint64_t number = eight_bytes(read);
    if (__builtin_expect(*read == 0, 0)) return long_draw(read);
    int surplus = 11 - __builtin_clzll(number); /* bits beyond 53, counted in eight bytes */
    number = number >> surplus << surplus;
    if (__builtin_expect(*read < 16, 0)) return (drawn){(double)(int64_t)(number >> 4) * 0x1p-60, read + 8};
    return (drawn){(double)(int64_t)(number >> 8) * 0x1p-56, read + 7};
}

/* Where the draw at `read` ends. */
INLINED const uint8_t *skip(const uint8_t *read) {
    if (__builtin_expect(*read >= 16, 1)) return read + 7;
    return *read > 0 ? read + 8 : long_draw(read).after;
}

/* Whether the draw at `read` is below `chance`. */
INLINED int below(const uint8_t *read, double chance) {
    return __builtin_expect(*read <= BYTE_BELOW(chance), 0) && draw(read).value < chance;
}

/* Take the draws that begin a tick. Neither counts if both first bytes are 16 or more, as mostly. */
INLINED event first_draws(const uint8_t **read, int god_candles) {
    const uint8_t *at = *read;
    if (god_candles && __builtin_expect((at[0] >= 16) & (at[7] >= 16), 1)) {
        *read = at + 14;
        return NOTHING;
    }
    if (below(at, LAW_RUG_CHANCE)) return RUG;
    at = skip(at);
    event found = god_candles && below(at, LAW_GOD_CANDLE_CHANCE) ? GOD_CANDLE : NOTHING;
    *read = god_candles ? skip(at) : at;
    return found;
}

/* Read game `g` as far as its key stream goes. Returns 1 if a god draw stopped it. */
INLINED int read_game(table *t, int g, int god_candles) {
    const uint8_t *read = t->read[g], *last = block_end(t, g) - LONGEST_TICK;
    int count = 0, most = MAX_PRICES - t->prices[g], stopped = 0;
    if (most > MOST_TICKS) most = MOST_TICKS;
    while (read <= last && count < most) {
        const uint8_t *tick = read;
        event found = first_draws(&read, god_candles);
        if (__builtin_expect(found != NOTHING, 0)) {
            if (found == RUG) {
                t->ended[g] = 1;
                break;
            }
            if (count > 0) {
                read = tick;
                stopped = 1;
                break;
            }
            if (t->price[g] <= LAW_GOD_CANDLE_MAX_PRICE) {
                t->a[count][g] = LAW_GOD_CANDLE_FACTOR - 1;
                t->b[count++][g] = 0;
                continue;
            }
        }
        int big = *read < BYTE_BELOW(LAW_BIG_MOVE_CHANCE);
        drawn fourth = draw(skip(read)), fifth = draw(fourth.after);
        read = fifth.after;
        double change = LEAST[big] + fourth.value * SPAN[big];
        t->a[count][g] = negative_if(big & (fifth.value <= 0.5), change);
        t->b[count++][g] = (2 * fifth.value - 1) * NOISY[big];
    }
    if (t->prices[g] + count == MAX_PRICES) t->ended[g] = 1;
    t->read[g] = read;
    t->ticks[g] = count;
    return stopped;
}

/* Bring all prices up to date. A game without a tick has A = B = 0: its price stays as it is. */
INLINED void advance(table *t, int most, double cap) {
    for (int at = 0; at < most; at++) {
        for (int g = 0; g < GAMES; g++) {
            double price = t->price[g];
            double root = sqrt(price);
            root = less(root, cap);
            double change = t->a[at][g] + LAW_NOISE * root * t->b[at][g];
            price = price * (1 + change);
            price = greater(price, 0.0);
            t->price[g] = price;
            t->made[at][g] = price;
            t->peak[g] = greater(price, t->peak[g]);
            t->low[g] = less(price, t->low[g]);
        }
    }
}

/* Use up the block of every game. */
static void use_blocks(table *t, int god_candles, double cap) {
    int again;
    do {
        int most = 0;
        again = 0;
        for (int g = 0; g < GAMES; g++) {
            t->ticks[g] = 0;
            if (t->id[g] >= 0 && !t->ended[g]) again |= read_game(t, g, god_candles);
            for (int at = t->ticks[g]; at < MOST_TICKS; at++) t->a[at][g] = t->b[at][g] = 0;
            most = t->ticks[g] > most ? t->ticks[g] : most;
        }
        advance(t, most, cap);
        for (int g = 0; g < GAMES; g++) {
            if (t->kept) {
                double *kept = t->kept + (size_t)g * (MAX_PRICES + MOST_TICKS) + t->prices[g];
                for (int at = 0; at < t->ticks[g]; at++) kept[at] = t->made[at][g];
            }
            t->prices[g] += t->ticks[g];
        }
    } while (again);
}

/* Begin the next game of the batch in place `g`. */
static void begin(table *t, int g, int64_t count, const uint8_t *keys, const int64_t *key_at) {
    if (t->next == t->started) {
        const uint8_t *three[IN_STEP];
        size_t lengths[IN_STEP];
        for (int lane = 0; lane < IN_STEP; lane++) {
            int64_t game = t->next + lane < count ? t->next + lane : count - 1;
            three[lane] = keys + key_at[game];
            lengths[lane] = (size_t)(key_at[game + 1] - key_at[game]);
        }
        arc4_start(t->ready, three, lengths);
        t->started += IN_STEP;
    }
    t->generators[g] = t->ready[t->next % IN_STEP];
    t->id[g] = t->next++;
    t->read[g] = block_end(t, g);
    t->prices[g] = 1;
    t->ended[g] = 0;
    t->price[g] = t->peak[g] = t->low[g] = LAW_START_PRICE;
    if (t->kept) t->kept[(size_t)g * (MAX_PRICES + MOST_TICKS)] = LAW_START_PRICE;
}

/* Make the next block of every group that plays a game. */
static __attribute__((noinline)) void fill(table *t) {
    for (int group = 0; group < GAMES; group += IN_STEP) {
        int played = 0;
        for (int g = group; g < group + IN_STEP; g++) {
            if (t->id[g] < 0) continue;
            size_t left = (size_t)(block_end(t, g) - t->read[g]);
            played = 1;
            memcpy(t->stream[g] + LONGEST_TICK - left, t->read[g], left);
            t->read[g] = t->stream[g] + LONGEST_TICK - left;
        }
        if (played) arc4_block(t->generators + group, t->stream[group] + LONGEST_TICK, sizeof t->stream[0]);
    }
}

/* Write the results of a game that has ended. */
static int64_t finish(table *t, int g, int64_t written, const kernel_games *games) {
    int64_t id = t->id[g];
    games->peak[id] = t->peak[g];
    games->rug_price[id] = t->low[g] * (1 - LAW_RUG_DROP);
    games->last_price[id] = t->price[g];
    games->rug_tick[id] = t->prices[g];
    if (t->kept) {
        games->start[id] = written;
    }
    if (t->kept && written + t->prices[g] <= games->room) {
        memcpy(games->prices + written, t->kept + (size_t)g * (MAX_PRICES + MOST_TICKS),
               (size_t)t->prices[g] * sizeof(double));
    }
    t->id[g] = -1;
    return t->prices[g];
}

int64_t kernel_replay(int64_t count, const uint8_t *keys, const int64_t *key_at, int god_candles, int capped,
                      const kernel_games *games) {
    /* Without a cap: the largest number instead of infinity, since infinity times B = 0 would be no number. */
    double cap = capped ? LAW_NOISE_ROOT_CAP : DBL_MAX;
    int64_t written = 0, ended = 0;
    table *t = calloc(1, sizeof *t);
    if (!t) return -1;
    if (games->prices) {
        size_t rows = count < GAMES ? (size_t)count : GAMES;
        t->kept = malloc(rows * (MAX_PRICES + MOST_TICKS) * sizeof(double));
        if (!t->kept && rows) {
            free(t);
            return -1;
        }
    }
    memset(t->stream, 0xff, sizeof t->stream);
    for (int g = 0; g < GAMES; g++) t->id[g] = -1;
    while (ended < count) {
        for (int g = 0; g < GAMES; g++)
            if (t->id[g] < 0 && t->next < count) begin(t, g, count, keys, key_at);
        fill(t);
        if (god_candles)
            use_blocks(t, 1, cap);
        else
            use_blocks(t, 0, cap);
        for (int g = 0; g < GAMES; g++)
            if (t->id[g] >= 0 && t->ended[g]) {
                written += finish(t, g, written, games);
                ended++;
            }
    }
    free(t->kept);
    free(t);
    return games->prices && written > games->room ? -1 : written;
}
