/* What the library offers to Python. All arrays belong to the caller; no function keeps a pointer, starts a
 * thread, or does input or output. Each may run in several threads at once, with other arrays.
 *
 * The constants of the game are not written here: the build passes every number of vectra_bot/game/rules.py
 * as a definition `LAW_...`, in the decimal form of rules.py, so that each is the same double as in Python.
 */
#ifndef VECTRA_KERNEL_H
#define VECTRA_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))
#define INLINED static inline __attribute__((always_inline))

/* Digest of the sources and constants that the library was built from; the loader compares it. */
EXPORTED extern const char kernel_digest[];

/* 1 if this processor has every instruction of x86-64-v3 and the system keeps its registers, else 0. */
EXPORTED int kernel_has_v3(void);

/* Games of a batch, one entry per game in each array (protocol 4.5). */
typedef struct {
    double *peak;
    double *rug_price;
    double *last_price;
    int32_t *rug_tick; /* LAW_MAX_TICKS + 1: the game reached the limit and did not rug */
    int64_t *start;    /* where its prices begin in `prices`; not written without them */
    double *prices;    /* live prices, in kernel_replay in the order in which games end; NULL: not wanted */
    int64_t room;      /* number of prices that `prices` has room for */
} kernel_games;

/* Replay `count` games exactly. The key of game g is keys[key_at[g]] up to, without, keys[key_at[g + 1]],
 * 1 to 256 bytes. `god_candles` and `capped` are 0 for versions of the law without them.
 * Returns the number of prices written, or -1 if there is too little room for them or memory. */
EXPORTED int64_t kernel_replay(int64_t count, const uint8_t *keys, const int64_t *key_at, int god_candles,
                               int capped, const kernel_games *games);

/* Draw games from the law, see montecarlo.c. Game number `first` + g of `seed` is entry g of the arrays;
 * every game begins at `price`, with `low` as its lowest price so far. `rug_by[t]` is the chance of a rug
 * after at most t live ticks, `god_by[t]` that of a god draw after at most t other ticks, for t below
 * LAW_MAX_TICKS. Prices are written in the order of the games. Returns as kernel_replay does. */
EXPORTED int64_t kernel_simulate(int64_t count, uint64_t seed, uint64_t first, double price, double low,
                                 const double *rug_by, const double *god_by, const kernel_games *games);

/* When a position is sold. A rule that is not wanted is HUGE_VAL, -HUGE_VAL, -HUGE_VAL and INT32_MAX, in
 * this order. */
typedef struct {
    double take_profit;   /* value over cost at or above which to sell */
    double stop_loss;     /* value over cost at or below which to sell */
    double trailing_stop; /* share of the highest value over cost at or below which to sell */
    int32_t max_ticks;    /* ticks after the entry at which to sell */
} kernel_exits;

enum { EXIT_NONE, EXIT_TAKE_PROFIT, EXIT_STOP_LOSS, EXIT_TRAILING_STOP, EXIT_MAX_TICKS };

/* `count` positions: number g holds qty[g] tokens bought for cost[g] lamports at tick entry[g], in a game with
 * its rug at tick rug_tick[g] and the price of tick 0 at prices[start[g]]. It is looked at from tick
 * first_tick[g] on; its value over cost was at most highest[g] before, 0 if `highest` is NULL. */
typedef struct {
    const double *prices;
    const int64_t *start;
    const int32_t *rug_tick, *entry, *first_tick;
    const int64_t *qty, *cost;
    const double *highest;
} kernel_positions;

/* Write the tick at which each position is due to be sold, and one of EXIT_...; without an exit before the
 * rug, the rug's tick and EXIT_NONE. */
EXPORTED void kernel_scan_exits(int64_t count, const kernel_positions *positions, const kernel_exits *exits,
                                int32_t *tick, int8_t *kind);

/* The same for one position in one game. */
EXPORTED int32_t kernel_next_exit(const double *prices, int32_t first_tick, int32_t rug_tick, double qty,
                                  double cost, int32_t entry, double highest, const kernel_exits *exits);

/* A distribution of delays: its quantiles from `level` up to, without, level + width, a line through `value`. */
typedef struct {
    double level, width, value, rise;
} kernel_piece;

typedef struct {
    const kernel_piece *pieces;
    int64_t count;
} kernel_curve;

/* Value number n of a choice is taken for numbers from edges[n - 1] up to, without, edges[n]. */
typedef struct {
    const double *edges;
    int64_t count; /* one less than there are values */
} kernel_chances;

/* How a link delays frames (LinkDelays in vectra_bot/exchange/jitter.py). */
typedef struct {
    double scale, stalls, holds, smears, smear_ms;
} kernel_link;

/* The tables and numbers of vectra_bot/exchange/jitter.py, times in ms. */
typedef struct {
    kernel_curve core, stall, held, together, first_tick, rug, start, new_game;
    const kernel_curve *settlements;
    kernel_chances settlement_chances;
    const kernel_link *links;
    kernel_chances link_chances;
    const double *frame_due; /* when each countdown frame is due after the announcement */
    int64_t frames;
    int64_t opening; /* number of the frame that opens the presale */
    double next_ms;  /* minimum interval of two countdown frames */
    double burst_ms; /* a frame that would come so soon after another, or before it, comes together with it */
    double below_one;
    double ns_per_ms;
    int32_t deck_size;
} kernel_delays;

/* What one game leaves to the next. */
typedef struct {
    uint32_t *generator; /* 625 words, Python's random.Random.getstate()[1] */
    int32_t *deck;       /* deck_size numbers of which `left` are in the deck */
    int64_t now_ns;      /* the announcement of the next game, nanoseconds since the epoch */
    int32_t left;
} kernel_clock;

/* When the steps of a game happen besides its live ticks, nanoseconds since the epoch. */
typedef struct {
    int64_t presale_ns, decided_ns, rug_ns, next_ns;
} kernel_steps;

/* Draw the times of the next `count` games; game g rugs at tick rug_tick[g], 1 or more. The times of its live
 * ticks, as many, come in `ticks_ns` after those of the games before it. */
EXPORTED void kernel_draw_times(int64_t count, const int32_t *rug_tick, const kernel_delays *delays,
                                kernel_clock *clock, kernel_steps *steps, int64_t *ticks_ns);

/* One instruction each, also in a loop over a vector. The second number if one of them is no number. */
INLINED double greater(double one, double other) { return one > other ? one : other; }
INLINED double less(double one, double other) { return one < other ? one : other; }

#endif
