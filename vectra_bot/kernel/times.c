/* The times of one game after another, drawn as vectra_bot/exchange/jitter.py draws them: the same random
 * numbers in the same order, and every operation on doubles in the order of Python's.
 *
 * A game takes some 560 numbers: one for each countdown frame, and two or three for each tick. Nothing that a
 * player does changes them, so those of many games are drawn in one call. The numbers are those of Python's
 * `random.Random.random()`, the Mersenne Twister MT19937 (Matsumoto, Nishimura 1998): 624 words, each of them
 * replaced, when all are used, by a mixture of itself, the next word, and the one 397 places ahead. A word is
 * tempered before it is given out: shifts of it are added to it modulo 2. The upper 27 bits of one word and
 * the upper 26 of the next are one number in [0, 1).
 *
 * The tables of delays come from Python, where they are explained. Comments here name its functions.
 */
#include "kernel.h"

enum { WORDS = 624, AHEAD = 397 };

/* A link and the frames that it delays: where the one before arrived, and when the next is due without delay. */
typedef struct {
    kernel_clock *clock;
    const kernel_delays *delays;
    const kernel_link *link;
    double due, last;
} game_timing;

INLINED uint32_t renewed(uint32_t word, uint32_t next, uint32_t ahead) {
    uint32_t both = (word & 0x80000000u) | (next & 0x7fffffffu);
    return ahead ^ both >> 1 ^ (0x9908b0dfu & -(both & 1));
}

static void renew(uint32_t *words) {
    int at = 0;
    for (; at < WORDS - AHEAD; at++) words[at] = renewed(words[at], words[at + 1], words[at + AHEAD]);
    for (; at < WORDS - 1; at++) words[at] = renewed(words[at], words[at + 1], words[at + AHEAD - WORDS]);
    words[at] = renewed(words[at], words[0], words[AHEAD - 1]);
}

/* The generator's state is that of Random.getstate(): the words, and how many of them were given out. */
INLINED uint32_t next_word(uint32_t *state) {
    if (state[WORDS] >= WORDS) {
        renew(state);
        state[WORDS] = 0;
    }
    uint32_t word = state[state[WORDS]++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

/* Dice.roll */
INLINED double roll(const game_timing *timing) {
    uint32_t *state = timing->clock->generator;
    uint64_t upper = next_word(state) >> 5, lower = next_word(state) >> 6;
    return (double)(int64_t)(upper << 26 | lower) * 0x1p-53;
}

/* Curve.at. All pieces are compared: which one it is could not be guessed, and a wrong guess costs more. */
INLINED double quantile(const kernel_curve *curve, double u) {
    const kernel_piece *piece = curve->pieces;
    for (int64_t at = 1; at < curve->count; at++) piece += curve->pieces[at].level <= u;
    return piece->value + (u - piece->level) / piece->width * piece->rise;
}

/* Choice.at: the number of the value. */
INLINED int64_t chosen(const kernel_chances *chances, double u) {
    int64_t at = 0;
    while (at < chances->count && chances->edges[at] <= u) at++;
    return at;
}

/* Deck.roll */
static double deck_roll(const game_timing *timing) {
    kernel_clock *clock = timing->clock;
    const int32_t size = timing->delays->deck_size;
    if (clock->left == 0)
        for (; clock->left < size; clock->left++) clock->deck[clock->left] = clock->left;
    double place = roll(timing) * clock->left;
    int32_t at = (int32_t)place, part = clock->deck[at];
    clock->deck[at] = clock->deck[--clock->left];
    return less(timing->delays->below_one, (part + place - at) / size);
}

/* Timing._small */
static double small_delay(const game_timing *timing) {
    return quantile(&timing->delays->core, roll(timing)) * timing->link->scale;
}

/* Timing._delay */
static double delay(const game_timing *timing) {
    const kernel_link *link = timing->link;
    double small = small_delay(timing), u = roll(timing);
    if (u < link->stalls) return small + quantile(&timing->delays->stall, u / link->stalls);
    u -= link->stalls;
    if (u < link->holds) return small + quantile(&timing->delays->held, u / link->holds);
    u -= link->holds;
    return u < link->smears ? small + u / link->smears * link->smear_ms : small;
}

/* Timing._begin_ticks */
static void begin_ticks(game_timing *timing) {
    timing->due = 0;
    timing->last = delay(timing);
}

/* Timing._arrive: the gap of the arrivals for a frame that is sent `after_due` ms after the one before. */
static double arrive(game_timing *timing, double after_due, double delayed) {
    timing->due += after_due;
    double arrival = timing->due + delayed;
    if (arrival <= timing->last + timing->delays->burst_ms)
        arrival = timing->last + quantile(&timing->delays->together, roll(timing));
    double gap = arrival - timing->last;
    timing->last = arrival;
    return gap;
}

/* Timing.countdown_ms for each frame; returns when the presale opens, in ms after the announcement. */
static double countdown(game_timing *timing) {
    const kernel_delays *delays = timing->delays;
    double opened = 0;
    timing->last = 0;
    for (int64_t frame = 0; frame < delays->frames; frame++) {
        double due = delays->frame_due[frame] + greater(small_delay(timing), 0);
        timing->last = greater(timing->last + delays->next_ms, due);
        if (frame == delays->opening) opened = timing->last;
    }
    return opened;
}

/* A time in ms as whole nanoseconds, cut as int() cuts. */
INLINED int64_t as_ns(const game_timing *timing, double after_ms) {
    return (int64_t)(after_ms * timing->delays->ns_per_ms);
}

/* Timeline.game */
static void draw_game(game_timing *timing, int32_t rug_tick, kernel_steps *steps, int64_t *ticks_ns) {
    const kernel_delays *delays = timing->delays;
    timing->link = delays->links + chosen(&delays->link_chances, roll(timing));
    double opened = countdown(timing);
    steps->presale_ns = timing->clock->now_ns + as_ns(timing, opened);
    double start = greater(timing->last - opened + delays->next_ms, quantile(&delays->start, roll(timing)));
    int64_t now = steps->presale_ns + as_ns(timing, start);
    ticks_ns[0] = now;
    begin_ticks(timing);
    for (int32_t tick = 1; tick < rug_tick; tick++) {
        double after_due = LAW_TICK_MS;
        if (tick == 1) after_due += quantile(&delays->first_tick, roll(timing));
        double delayed = delay(timing);
        now += as_ns(timing, arrive(timing, after_due, delayed));
        ticks_ns[tick] = now;
    }
    double after_due = LAW_TICK_MS + quantile(&delays->rug, deck_roll(timing));
    double delayed = delay(timing);
    double gap = arrive(timing, after_due, delayed);
    steps->decided_ns = now + as_ns(timing, greater(gap - LAW_PRIVATE_BEFORE_RUG_MS, 0));
    steps->rug_ns = now + as_ns(timing, gap);
    const kernel_curve *settlement = delays->settlements + chosen(&delays->settlement_chances, roll(timing));
    double settled = quantile(settlement, roll(timing));
    steps->next_ns = steps->rug_ns + as_ns(timing, settled + quantile(&delays->new_game, roll(timing)));
    timing->clock->now_ns = steps->next_ns;
}

void kernel_draw_times(int64_t count, const int32_t *rug_tick, const kernel_delays *delays,
                       kernel_clock *clock, kernel_steps *steps, int64_t *ticks_ns) {
    game_timing timing = {.clock = clock, .delays = delays};
    for (int64_t game = 0; game < count; game++) {
        draw_game(&timing, rug_tick[game], steps + game, ticks_ns);
        ticks_ns += rug_tick[game];
    }
}
