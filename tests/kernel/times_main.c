/* Draws the times of games on another processor, for test_arm64.py: it reads tables, a generator and the ticks of
 * rugs, numbers between spaces, and prints a line for each game, and the generator's words after them. */
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"

static double number(void) {
    double found;
    if (scanf("%lf", &found) != 1) exit(1);
    return found;
}

static int64_t whole(void) {
    long long found;
    if (scanf("%lld", &found) != 1) exit(1);
    return found;
}

static double *numbers(int64_t count) {
    double *found = malloc((size_t)count * sizeof(double) + 1);
    for (int64_t i = 0; i < count; i++) found[i] = number();
    return found;
}

static kernel_curve curve(void) {
    int64_t count = whole();
    return (kernel_curve){(kernel_piece *)numbers(4 * count), count};
}

static kernel_chances chances(void) {
    int64_t count = whole();
    return (kernel_chances){numbers(count), count};
}

static kernel_delays tables(void) {
    kernel_delays t;
    kernel_curve *curves[] = {&t.core, &t.stall, &t.held, &t.together, &t.first_tick, &t.rug, &t.start, &t.new_game};
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) *curves[i] = curve();
    t.settlement_chances = chances();
    kernel_curve *settlements = malloc((size_t)(t.settlement_chances.count + 1) * sizeof *settlements);
    for (int64_t i = 0; i <= t.settlement_chances.count; i++) settlements[i] = curve();
    t.settlements = settlements;
    t.link_chances = chances();
    t.links = (kernel_link *)numbers(5 * (t.link_chances.count + 1));
    t.frames = whole();
    t.frame_due = numbers(t.frames);
    t.opening = whole();
    t.next_ms = number();
    t.burst_ms = number();
    t.below_one = number();
    t.ns_per_ms = number();
    t.deck_size = (int32_t)whole();
    return t;
}

int main(void) {
    kernel_delays delays = tables();
    static uint32_t generator[625];
    for (int i = 0; i < 625; i++) generator[i] = (uint32_t)whole();
    kernel_clock clock = {generator, malloc((size_t)delays.deck_size * sizeof(int32_t)), whole(), 0};
    int64_t count = whole(), ticks = 0, at = 0;
    int32_t *rug_tick = malloc((size_t)count * sizeof(int32_t));
    for (int64_t g = 0; g < count; g++) ticks += rug_tick[g] = (int32_t)whole();
    int64_t *ticks_ns = malloc((size_t)ticks * sizeof(int64_t));
    kernel_steps *steps = malloc((size_t)count * sizeof(kernel_steps));
    kernel_draw_times(count, rug_tick, &delays, &clock, steps, ticks_ns);
    for (int64_t g = 0; g < count; g++) {
        printf("%lld %lld %lld %lld", (long long)steps[g].presale_ns, (long long)steps[g].decided_ns,
               (long long)steps[g].rug_ns, (long long)steps[g].next_ns);
        for (int32_t tick = 0; tick < rug_tick[g]; tick++) printf(" %lld", (long long)ticks_ns[at++]);
        printf("\n");
    }
    for (int i = 0; i < 625; i++) printf("%lu\n", (unsigned long)generator[i]);
    return 0;
}
