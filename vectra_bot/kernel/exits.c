/* Declared exits: the first tick at which a position is due to be sold (vectra_bot/actions/exits.py). The
 * value over the cost is computed in the order of game/view.py, so that both find the same tick. */
#include "kernel.h"

INLINED int32_t first_exit(const double *prices, int32_t tick, int32_t rug_tick, double qty, double cost,
                           int64_t last_tick, double highest, const kernel_exits *exits, int8_t *kind) {
    for (; tick < rug_tick; tick++) {
        double held = cost > 0 ? qty * prices[tick] / cost : 0;
        highest = held > highest ? held : highest;
        if (held >= exits->take_profit)
            *kind = EXIT_TAKE_PROFIT;
        else if (held <= exits->stop_loss)
            *kind = EXIT_STOP_LOSS;
        else if (held <= exits->trailing_stop * highest)
            *kind = EXIT_TRAILING_STOP;
        else if (tick >= last_tick)
            *kind = EXIT_MAX_TICKS;
        else
            continue;
        return tick;
    }
    *kind = EXIT_NONE;
    return rug_tick;
}

void kernel_scan_exits(int64_t count, const kernel_positions *positions, const kernel_exits *exits,
                       int32_t *tick, int8_t *kind) {
    const kernel_positions *p = positions;
    for (int64_t g = 0; g < count; g++)
        tick[g] = first_exit(p->prices + p->start[g], p->first_tick[g], p->rug_tick[g], (double)p->qty[g],
                             (double)p->cost[g], (int64_t)p->entry[g] + exits->max_ticks,
                             p->highest ? p->highest[g] : 0, exits, kind + g);
}

int32_t kernel_next_exit(const double *prices, int32_t first_tick, int32_t rug_tick, double qty, double cost,
                         int32_t entry, double highest, const kernel_exits *exits) {
    int8_t kind;
    return first_exit(prices, first_tick, rug_tick, qty, cost, (int64_t)entry + exits->max_ticks, highest, exits,
                      &kind);
}
