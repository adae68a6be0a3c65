/* Plays games on another processor, for test_arm64.py: keys come in lines, results go out in lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* FNV-1a over the bytes of all prices. */
static uint64_t digest(const double *prices, int64_t count) {
    const unsigned char *bytes = (const unsigned char *)prices;
    uint64_t found = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < count * (int64_t)sizeof(double); i++) found = (found ^ bytes[i]) * 0x100000001b3u;
    return found;
}

static void print_games(int64_t count, const kernel_games *games) {
    for (int64_t g = 0; g < count; g++)
        printf("%d %a %a %a %016llx\n", games->rug_tick[g], games->peak[g], games->rug_price[g],
               games->last_price[g],
               (unsigned long long)digest(games->prices + games->start[g], games->rug_tick[g]));
}

int main(void) {
    enum { MOST = 2000 };
    static uint8_t keys[MOST * 256];
    static int64_t key_at[MOST + 1], start[MOST];
    static double peak[MOST], rug_price[MOST], last_price[MOST], rug_by[LAW_MAX_TICKS], god_by[LAW_MAX_TICKS];
    static int32_t rug_tick[MOST];
    static char line[512];
    int64_t count = 0;
    kernel_games games = {peak, rug_price, last_price, rug_tick, start, NULL, MOST * (LAW_MAX_TICKS + 1)};
    games.prices = malloc(games.room * sizeof(double));
    while (count < MOST && fgets(line, sizeof line, stdin)) {
        size_t length = strcspn(line, "\n");
        memcpy(keys + key_at[count], line, length);
        key_at[count + 1] = key_at[count] + (int64_t)length;
        count++;
    }
    if (kernel_replay(count, keys, key_at, 1, 1, &games) < 0) return 1;
    print_games(count, &games);
    double alive = 1, quiet = 1;
    for (int t = 0; t < LAW_MAX_TICKS; t++) {
        rug_by[t] = 1 - (alive *= 1 - LAW_RUG_CHANCE);
        god_by[t] = 1 - (quiet *= 1 - LAW_GOD_CANDLE_CHANCE);
    }
    if (kernel_simulate(count, 7, 0, 1, 1, rug_by, god_by, &games) < 0) return 1;
    print_games(count, &games);
    free(games.prices);
    return 0;
}
