/* Games drawn from the price law with a free generator (protocol 4.2, v3): the same distribution as exact
 * games, without keys, many times faster.
 *
 * Every game has a stream of random words, which depends on the seed and on the number of the game alone:
 * the state of xoshiro256++ is four outputs of SplitMix64. Which games are played side by side, in how many
 * threads and by which program therefore changes no game. Its words decide, in this order:
 *
 * - the number of live ticks: one word, by the table `rug_by`, since a rug is independent of the price;
 * - how many ticks pass before the next god draw: one word, by `god_by`, now and after each god draw. A god
 *   draw at a price above the limit is ignored, and the tick is an ordinary one;
 * - each ordinary tick: one word. Its upper 52 bits are a number that decides whether the move is big and,
 *   by where it lies in that part, its drift or size. The lowest 31 bits are the noise, or the direction of
 *   a big move. Some of them are also the last ones of the first number: they move a drift by less than
 *   2^-32 of its range, which no statistic of games can notice.
 *
 * Games are played side by side, one in each place, and all of them are advanced without a branch to the
 * next tick at which one of them ends or has a god draw. A game that ends is replaced by the next one.
 */
#include <math.h>
#include <string.h>

#include "kernel.h"

enum {
    PLACES = 16,
    BURST = 64, /* ticks that are advanced before the prices are put in order */
    GUIDE = 1024,
    NEVER = 1 << 26, /* times PLACES, it fits 32 bits */
};

/* What SplitMix64 adds to its state per word. */
static const uint64_t SPLIT = 0x9e3779b97f4a7c15u;

/* Of a level from 1 to 2: below BIG_BELOW the move is big, its size BIG_LEAST + level * BIG_SLOPE; else small,
 * its drift DRIFT_LEAST + level * DRIFT_SLOPE. */
static const double BIG_BELOW = 1 + LAW_BIG_MOVE_CHANCE;
static const double BIG_SLOPE = (LAW_BIG_MOVE_MAX - LAW_BIG_MOVE_MIN) / LAW_BIG_MOVE_CHANCE;
static const double BIG_LEAST =
    LAW_BIG_MOVE_MIN - (LAW_BIG_MOVE_MAX - LAW_BIG_MOVE_MIN) / LAW_BIG_MOVE_CHANCE;
static const double DRIFT_SLOPE = (LAW_DRIFT_MAX - LAW_DRIFT_MIN) / (1 - LAW_BIG_MOVE_CHANCE);
static const double DRIFT_LEAST =
    LAW_DRIFT_MIN -
    (1 + LAW_BIG_MOVE_CHANCE) * ((LAW_DRIFT_MAX - LAW_DRIFT_MIN) / (1 - LAW_BIG_MOVE_CHANCE));

/* The games being played, arranged for vector instructions. */
typedef struct {
    uint64_t state[4][PLACES] __attribute__((aligned(64)));
    double price[PLACES], peak[PLACES], low[PLACES];
    int32_t left[PLACES];   /* ordinary ticks before the next event: a god draw or the rug */
    int32_t burst[PLACES];  /* what `left` was after the last event; to_rug and to_god are of then */
    int32_t to_rug[PLACES]; /* ticks before the rug */
    int32_t to_god[PLACES]; /* ticks before the next god draw */
    int32_t length[PLACES]; /* live ticks */
    int64_t id[PLACES];     /* entry of the game in the results; -1: none */
    double made[BURST][PLACES];
    double *next[PLACES]; /* where the price of the next tick is written; NULL without prices or room */
} places;

/* A growing table of chances, and where in it to begin the search for a number. */
typedef struct {
    const double *chance;
    int32_t first[GUIDE];
} guide;

INLINED uint64_t mixed(uint64_t word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    return word ^ word >> 31;
}

INLINED uint64_t rotated(uint64_t word, int by) { return word << by | word >> (64 - by); }

INLINED uint64_t next_word(places *p, int at) {
    uint64_t a = p->state[0][at], b = p->state[1][at], c = p->state[2][at], d = p->state[3][at];
    uint64_t word = rotated(a + d, 23) + a;
    c ^= a;
    d ^= b;
    p->state[0][at] = a ^ d;
    p->state[1][at] = b ^ c;
    p->state[2][at] = c ^ b << 17;
    p->state[3][at] = rotated(d, 45);
    return word;
}

INLINED double bits_as_double(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* A number that is not negative, with the sign of another. */
INLINED double signed_as(double sign, double number) {
    uint64_t from, bits;
    memcpy(&from, &sign, sizeof from);
    memcpy(&bits, &number, sizeof bits);
    return bits_as_double(bits | (from & 0x8000000000000000u));
}

static void make_guide(guide *made, const double *chance) {
    int32_t at = 0;
    made->chance = chance;
    for (int i = 0; i < GUIDE; i++) {
        while (at < LAW_MAX_TICKS && chance[at] <= (double)i / GUIDE) at++;
        made->first[i] = at;
    }
}

/* The smallest t such that a number of 53 random bits is below chance[t]; LAW_MAX_TICKS if there is none. */
static int32_t looked_up(const guide *table, uint64_t word) {
    double number = (double)(int64_t)(word >> 11) * 0x1p-53;
    int32_t at = table->first[(int)(number * GUIDE)];
    while (at < LAW_MAX_TICKS && table->chance[at] <= number) at++;
    return at;
}

/* A price that is stored whether it is new or not. clang would store new ones alone, by masked stores, which
 * are slow; it cannot know that 0 may be added. */
INLINED double whole(double price) {
#if defined(__clang__)
    return price + 0.0;
#else
    return price;
#endif
}

/* One ordinary tick of every game. */
INLINED void ordinary_tick(places *p) {
    for (int at = 0; at < PLACES; at++) {
        uint64_t word = next_word(p, at);
        /* Bits become the fraction of a double from 1 to 2, and of one from 2 to 4. */
        double level = bits_as_double(word >> 12 | 0x3ff0000000000000u);
        double noise = bits_as_double((word << 21 & 0x000fffffffe00000u) | 0x4000000000000000u) - 3;
        double price = p->price[at];
        double root = sqrt(price);
        root = less(root, LAW_NOISE_ROOT_CAP);
        double small = DRIFT_LEAST + level * DRIFT_SLOPE + LAW_NOISE * root * noise;
        double big = signed_as(noise, BIG_LEAST + level * BIG_SLOPE);
        price = price * (1 + (level < BIG_BELOW ? big : small));
        p->price[at] = price;
        p->peak[at] = whole(greater(price, p->peak[at]));
        p->low[at] = whole(less(price, p->low[at]));
    }
}

/* Advance every game by `ticks` ordinary ticks. */
static void advance(places *p, int32_t ticks, int prices) {
    for (int32_t tick = 0; tick < ticks; tick++) {
        ordinary_tick(p);
        if (prices) memcpy(p->made[tick], p->price, sizeof p->price);
    }
    for (int at = 0; at < PLACES; at++) p->left[at] -= ticks;
    for (int at = 0; prices && at < PLACES; at++) {
        if (p->id[at] < 0 || !p->next[at]) continue;
        for (int32_t tick = 0; tick < ticks; tick++) *p->next[at]++ = p->made[tick][at];
    }
}

/* What a batch begins with, and how far it is. */
typedef struct {
    int64_t count, next, ended, written;
    uint64_t base; /* SplitMix64's state before the words of game 0 */
    double price, low;
    guide rug, god;
} batch;

/* Begin the next game of the batch in a place. */
static void begin(places *p, int at, batch *b, const kernel_games *games) {
    uint64_t stream = b->base + (uint64_t)b->next * 4 * SPLIT;
    for (uint64_t i = 0; i < 4; i++) p->state[i][at] = mixed(stream + (i + 1) * SPLIT);
    p->price[at] = p->peak[at] = b->price;
    p->low[at] = b->low;
    p->length[at] = p->to_rug[at] = looked_up(&b->rug, next_word(p, at));
    p->to_god[at] = looked_up(&b->god, next_word(p, at));
    p->id[at] = b->next++;
    if (games->prices) { /* its length is known, so the next game's prices begin where its own end */
        games->start[p->id[at]] = b->written;
        p->next[at] = NULL;
        b->written += p->length[at] + 1;
        if (b->written <= games->room) {
            p->next[at] = games->prices + games->start[p->id[at]];
            *p->next[at]++ = b->price;
        }
    }
}

/* Write the results of a game that has ended. */
static void finish(const places *p, int at, const kernel_games *games) {
    int64_t id = p->id[at];
    games->peak[id] = p->peak[at];
    games->rug_price[id] = p->low[at] * (1 - LAW_RUG_DROP);
    games->last_price[id] = p->price[at];
    games->rug_tick[id] = p->length[at] + 1;
}

/* Make the god draw of the tick that is next in place `at`. */
static void god_draw(places *p, int at, const guide *god) {
    p->to_god[at] = looked_up(god, next_word(p, at));
    if (p->price[at] > LAW_GOD_CANDLE_MAX_PRICE) {
        p->to_god[at]++; /* the tick that follows is this one */
        return;
    }
    p->price[at] *= LAW_GOD_CANDLE_FACTOR;
    if (p->price[at] > p->peak[at]) p->peak[at] = p->price[at];
    if (p->next[at]) *p->next[at]++ = p->price[at];
    p->to_rug[at]--;
}

/* Handle what happens in a place before its next ordinary tick: god draws, the end of a game, the beginning of
 * another. Without more games the place stays empty, and what is computed there is ignored. */
static void handle(places *p, int at, batch *b, const kernel_games *games) {
    p->to_rug[at] -= p->burst[at];
    p->to_god[at] -= p->burst[at];
    while (p->to_rug[at] == 0 || p->to_god[at] == 0) {
        if (p->to_rug[at] > 0) {
            god_draw(p, at, &b->god);
            continue;
        }
        if (p->id[at] >= 0) {
            finish(p, at, games);
            b->ended++;
        }
        if (b->next == b->count) {
            p->id[at] = -1;
            p->to_rug[at] = p->to_god[at] = NEVER;
            p->price[at] = 0;
            break;
        }
        begin(p, at, b, games);
    }
    p->left[at] = p->burst[at] = p->to_rug[at] < p->to_god[at] ? p->to_rug[at] : p->to_god[at];
}

/* The place with the next event. */
INLINED int first_event(const places *p) {
    uint32_t first = UINT32_MAX; /* ticks and place in one number, so that no branch has to be guessed */
    for (uint32_t at = 0; at < PLACES; at++) {
        uint32_t event = (uint32_t)p->left[at] * PLACES + at;
        first = event < first ? event : first;
    }
    return (int)(first % PLACES);
}

int64_t kernel_simulate(int64_t count, uint64_t seed, uint64_t first, double price, double low,
                        const double *rug_by, const double *god_by, const kernel_games *games) {
    places p;
    batch b = {.count = count, .price = price, .low = low};
    b.base = mixed(seed + SPLIT) + first * 4 * SPLIT;
    make_guide(&b.rug, rug_by);
    make_guide(&b.god, god_by);
    memset(&p, 0, sizeof p);
    for (int at = 0; at < PLACES; at++) p.id[at] = -1;
    while (b.ended < count) {
        int at = first_event(&p);
        int32_t ticks = p.left[at] < BURST ? p.left[at] : BURST;
        advance(&p, ticks, games->prices != NULL);
        if (p.left[at] == 0) handle(&p, at, &b, games);
    }
    return games->prices && b.written > games->room ? -1 : b.written;
}
