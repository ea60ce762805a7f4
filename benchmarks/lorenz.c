/* What hand-written C needs for the Lorenz benchmark: adaptive Tsit5 in double precision with the step control of the
   contenders (Hairer's PI controller, Hairer's first step), tuned by nothing but the compiler.

   cc -O3 -march=native -o lorenz lorenz.c -lm && ./lorenz 1e-8 20 100
   prints one line of JSON: seconds per solve, accepted and rejected steps, nanoseconds per step, the final state.

   Controller and first step: Hairer, Norsett & Wanner I, sec. II.4; Hairer & Wanner II, sec. IV.2. */
#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tsit5.h"

#define N 3

typedef struct {
    double sigma, rho, beta;
} Parameters;

static inline void field(const double *y, const Parameters *p, double *dy) {
    dy[0] = p->sigma * (y[1] - y[0]);
    dy[1] = y[0] * (p->rho - y[2]) - y[1];
    dy[2] = y[0] * y[1] - p->beta * y[2];
}

static inline double norm(const double *x, const double *y, const double *z, double rtol, double atol) {
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        double scaled = x[i] / (atol + rtol * fmax(fabs(y[i]), fabs(z[i])));
        sum += scaled * scaled;
    }
    return sqrt(sum / N);
}

static double first_step(const double *y, const Parameters *p, double span, double rtol, double atol) {
    double f0[N], f1[N], y1[N], difference[N];
    field(y, p, f0);
    double d0 = norm(y, y, y, rtol, atol), d1 = norm(f0, y, y, rtol, atol);
    double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
    for (int i = 0; i < N; i++) y1[i] = y[i] + h0 * f0[i];
    field(y1, p, f1);
    for (int i = 0; i < N; i++) difference[i] = f1[i] - f0[i];
    double steepest = fmax(d1, norm(difference, y, y, rtol, atol) / h0);
    double h1 = steepest <= 1e-15 ? fmax(1e-6, 1e-3 * h0) : pow(0.01 / steepest, 1.0 / 6.0);
    return fmin(fmin(100.0 * h0, h1), span);
}

static void solve(double *y, const Parameters *p, double t1, double tolerance, long *accepted, long *rejected) {
    double k1[N], k2[N], k3[N], k4[N], k5[N], k6[N], k7[N], s[N], next[N], error[N];
    double t = 0.0, previous = 0.0; /* the logarithm of the last accepted error */
    double h = first_step(y, p, t1, tolerance, tolerance);
    *accepted = *rejected = 0;
    field(y, p, k1);
    while (t < t1) {
        int last = t + h >= t1;
        if (last) h = t1 - t;
        for (int i = 0; i < N; i++) s[i] = y[i] + h * (A21 * k1[i]);
        field(s, p, k2);
        for (int i = 0; i < N; i++) s[i] = y[i] + h * (A31 * k1[i] + A32 * k2[i]);
        field(s, p, k3);
        for (int i = 0; i < N; i++) s[i] = y[i] + h * (A41 * k1[i] + A42 * k2[i] + A43 * k3[i]);
        field(s, p, k4);
        for (int i = 0; i < N; i++) s[i] = y[i] + h * (A51 * k1[i] + A52 * k2[i] + A53 * k3[i] + A54 * k4[i]);
        field(s, p, k5);
        for (int i = 0; i < N; i++)
            s[i] = y[i] + h * (A61 * k1[i] + A62 * k2[i] + A63 * k3[i] + A64 * k4[i] + A65 * k5[i]);
        field(s, p, k6);
        for (int i = 0; i < N; i++)
            next[i] = y[i] + h * (B1 * k1[i] + B2 * k2[i] + B3 * k3[i] + B4 * k4[i] + B5 * k5[i] + B6 * k6[i]);
        field(next, p, k7);
        for (int i = 0; i < N; i++)
            error[i] = h * (E1 * k1[i] + E2 * k2[i] + E3 * k3[i] + E4 * k4[i] + E5 * k5[i] + E6 * k6[i] + E7 * k7[i]);
        double size = norm(error, y, next, tolerance, tolerance);
        double now = log(fmax(size, 1e-8));
        double factor = 0.9 * exp((-0.85 * now + 0.2 * previous) / 5.0);
        factor = fmin(10.0, fmax(0.2, factor));
        if (size <= 1.0) {
            t = last ? t1 : t + h;
            for (int i = 0; i < N; i++) {
                y[i] = next[i];
                k1[i] = k7[i];
            }
            previous = now;
            ++*accepted;
        } else {
            factor = fmin(1.0, factor);
            ++*rejected;
        }
        h *= factor;
    }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(int argc, char **argv) {
    double tolerance = argc > 1 ? atof(argv[1]) : 1e-8, t1 = argc > 2 ? atof(argv[2]) : 20.0;
    int solves = argc > 3 ? atoi(argv[3]) : 100;
    Parameters p = {10.0, 28.0, 8.0 / 3.0};
    double y[N];
    long accepted = 0, rejected = 0;
    double total = 0.0;
    if (solves < 1) {
        fprintf(stderr, "lorenz: the number of solves must be at least 1\n");
        return 2;
    }
    printf("{\"times\": [");
    for (int n = 0; n < solves; n++) {
        y[0] = 1.0, y[1] = 0.0, y[2] = 0.0;
        double start = seconds();
        solve(y, &p, t1, tolerance, &accepted, &rejected);
        double took = seconds() - start;
        total += took;
        printf("%s%.9e", n ? ", " : "", took);
    }
    printf("], \"accepted\": %ld, \"rejected\": %ld, \"ns_per_step\": %.2f, \"y\": [%.17g, %.17g, %.17g]}\n", accepted,
           rejected, 1e9 * total / solves / (double)(accepted + rejected), y[0], y[1], y[2]);
    return 0;
}
