/* What hand-written C needs for many Lorenz solves at once: adaptive Tsit5 in double precision, LANES trajectories in
   lock step in a loop that the compiler turns into vector instructions, with the step control of lorenz.c.

   cc -O3 -march=native -ffast-math -o lorenz_lanes lorenz_lanes.c -lm && ./lorenz_lanes 10240 1e-6 1 10
   prints one line of JSON: seconds for all trajectories, solve by solve, the attempted steps of all of them, and the
   final states of every 64th trajectory. rho runs from 0 to 21.

   -ffast-math lets the compiler vectorise the logarithm and the exponential function of the step control too. Sources
   of coefficients and step control: see lorenz.c. */
#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tsit5.h"

#define LANES 64
#define MOST (1 << 20)

static double y0[LANES], y1[LANES], y2[LANES], k0[LANES], k1[LANES], k2[LANES], rho[LANES], time_[LANES], size[LANES],
    before[LANES], accepted[LANES], rejected[LANES];
static double out[3 * MOST / 64];

static inline double larger(double a, double b) { return a > b ? a : b; }
static inline double smaller(double a, double b) { return a < b ? a : b; }

/* the field at (a, b, c), into three new variables */
#define FIELD(a, b, c, da, db, dc)                                                                                     \
    double da = 10.0 * ((b) - (a)), db = (a) * (rho[l] - (c)) - (b), dc = (a) * (b) - 8.0 / 3.0 * (c);

/* one attempted step of all lanes that are not done; returns whether any of them goes on */
static int step(double t1, double tolerance) {
    double left = 0.0; /* a number, since the compiler does not vectorise flags */
#pragma GCC ivdep
    for (int l = 0; l < LANES; l++) {
        double t = time_[l], h0 = size[l], u = y0[l], v = y1[l], w = y2[l], a0 = k0[l], a1 = k1[l], a2 = k2[l];
        int on = t < t1, last = t + h0 >= t1;
        double h = last ? t1 - t : h0;
        FIELD(u + h * (A21 * a0), v + h * (A21 * a1), w + h * (A21 * a2), b0, b1, b2)
        FIELD(u + h * (A31 * a0 + A32 * b0), v + h * (A31 * a1 + A32 * b1), w + h * (A31 * a2 + A32 * b2), c0, c1, c2)
        FIELD(u + h * (A41 * a0 + A42 * b0 + A43 * c0), v + h * (A41 * a1 + A42 * b1 + A43 * c1),
              w + h * (A41 * a2 + A42 * b2 + A43 * c2), d0, d1, d2)
        FIELD(u + h * (A51 * a0 + A52 * b0 + A53 * c0 + A54 * d0), v + h * (A51 * a1 + A52 * b1 + A53 * c1 + A54 * d1),
              w + h * (A51 * a2 + A52 * b2 + A53 * c2 + A54 * d2), e0, e1, e2)
        FIELD(u + h * (A61 * a0 + A62 * b0 + A63 * c0 + A64 * d0 + A65 * e0),
              v + h * (A61 * a1 + A62 * b1 + A63 * c1 + A64 * d1 + A65 * e1),
              w + h * (A61 * a2 + A62 * b2 + A63 * c2 + A64 * d2 + A65 * e2), f0, f1, f2)
        double nu = u + h * (B1 * a0 + B2 * b0 + B3 * c0 + B4 * d0 + B5 * e0 + B6 * f0);
        double nv = v + h * (B1 * a1 + B2 * b1 + B3 * c1 + B4 * d1 + B5 * e1 + B6 * f1);
        double nw = w + h * (B1 * a2 + B2 * b2 + B3 * c2 + B4 * d2 + B5 * e2 + B6 * f2);
        FIELD(nu, nv, nw, g0, g1, g2)
        double r0 = h * (E1 * a0 + E2 * b0 + E3 * c0 + E4 * d0 + E5 * e0 + E6 * f0 + E7 * g0);
        double r1 = h * (E1 * a1 + E2 * b1 + E3 * c1 + E4 * d1 + E5 * e1 + E6 * f1 + E7 * g1);
        double r2 = h * (E1 * a2 + E2 * b2 + E3 * c2 + E4 * d2 + E5 * e2 + E6 * f2 + E7 * g2);
        r0 /= tolerance + tolerance * larger(fabs(u), fabs(nu));
        r1 /= tolerance + tolerance * larger(fabs(v), fabs(nv));
        r2 /= tolerance + tolerance * larger(fabs(w), fabs(nw));
        double squared = (r0 * r0 + r1 * r1 + r2 * r2) / 3.0;
        int good = squared <= 1.0, go = on & good;
        double now = 0.5 * log(larger(squared, 1e-16));
        double factor = smaller(10.0, larger(0.2, 0.9 * exp((-0.85 * now + 0.2 * before[l]) / 5.0)));
        factor = good ? factor : smaller(1.0, factor);
        y0[l] = go ? nu : u, y1[l] = go ? nv : v, y2[l] = go ? nw : w;
        k0[l] = go ? g0 : a0, k1[l] = go ? g1 : a1, k2[l] = go ? g2 : a2;
        before[l] = go ? now : before[l];
        double next = go ? (last ? t1 : t + h) : t;
        time_[l] = next;
        size[l] = on ? h * factor : h0;
        accepted[l] += go ? 1.0 : 0.0;
        rejected[l] += on & !good ? 1.0 : 0.0;
        left = larger(left, t1 - next);
    }
    return left > 0.0;
}

static inline double norm(double a, double b, double c, double tolerance) {
    double scaled = a / (2.0 * tolerance);
    return sqrt((scaled * scaled + (b * b + c * c) / (tolerance * tolerance)) / 3.0);
}

/* a chunk from (1, 0, 0) at t = 0, with Hairer's first step */
static void start(double tolerance, double t1) {
    for (int l = 0; l < LANES; l++) {
        y0[l] = 1.0, y1[l] = y2[l] = time_[l] = before[l] = 0.0, accepted[l] = rejected[l] = 0;
        FIELD(1.0, 0.0, 0.0, a, b, c)
        k0[l] = a, k1[l] = b, k2[l] = c;
        double d0 = norm(1.0, 0.0, 0.0, tolerance), d1 = norm(a, b, c, tolerance), h = 0.01 * d0 / d1;
        FIELD(1.0 + h * a, h * b, h * c, na, nb, nc)
        double steepest = larger(d1, norm(na - a, nb - b, nc - c, tolerance) / h);
        size[l] = smaller(smaller(100.0 * h, pow(0.01 / steepest, 1.0 / 6.0)), t1);
    }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 10240, solves = argc > 4 ? atoi(argv[4]) : 10;
    double tolerance = argc > 2 ? atof(argv[2]) : 1e-6, t1 = argc > 3 ? atof(argv[3]) : 1.0;
    long steps = 0;
    if (n < LANES || n > MOST || n % LANES || solves < 1) {
        fprintf(stderr, "lorenz_lanes: trajectories must be a multiple of %d up to %d, solves at least 1\n", LANES, MOST);
        return 2;
    }
    printf("{\"times\": [");
    for (int s = 0; s < solves; s++) {
        double began = seconds();
        steps = 0;
        for (int chunk = 0; chunk < n; chunk += LANES) {
            for (int l = 0; l < LANES; l++) rho[l] = 21.0 * (chunk + l) / (n - 1);
            start(tolerance, t1);
            while (step(t1, tolerance));
            for (int l = 0; l < LANES; l++) steps += (long)(accepted[l] + rejected[l]);
            out[3 * (chunk / 64)] = y0[0], out[3 * (chunk / 64) + 1] = y1[0], out[3 * (chunk / 64) + 2] = y2[0];
        }
        printf("%s%.9e", s ? ", " : "", seconds() - began);
    }
    printf("], \"steps\": %ld, \"y\": [", steps);
    for (int i = 0; i < n / 64; i++)
        printf("%s[%.17g, %.17g, %.17g]", i ? ", " : "", out[3 * i], out[3 * i + 1], out[3 * i + 2]);
    printf("]}\n");
    return 0;
}
