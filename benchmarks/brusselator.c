/* The Brusselator with CVODE (variable-order BDF, Newton) in double precision: on a line with a banded Jacobian, on a
   periodic square with GMRES and products with the Jacobian. Both are written by hand; nothing is preconditioned.

   cc -O3 -march=native -o brusselator brusselator.c -lsundials_cvode -lsundials_nvecserial -lsundials_sunmatrixband \
      -lsundials_sunlinsolband -lsundials_sunlinsolspgmr -lm
   ./brusselator 1d 128 1e-6 10 20        ./brusselator 2d 64 1e-6 11.5 1 30
   takes the dimension, points in each direction, the relative tolerance (the absolute one is the same), the end, the
   number of solves, and in two dimensions the largest Krylov space (0: CVODE's default, 5). Prints one line of JSON:
   seconds per solve (CVodeReInit and the solve, no allocation), whether it failed, steps, the final state. Equations
   and constants are those of `sciml_jax.data.problems`. */
#define _POSIX_C_SOURCE 199309L
#include <cvode/cvode.h>
#include <math.h>
#include <nvector/nvector_serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sunlinsol/sunlinsol_band.h>
#include <sunlinsol/sunlinsol_spgmr.h>
#include <sunmatrix/sunmatrix_band.h>
#include <time.h>

static const double PI = 3.14159265358979323846;

typedef struct {
    int n;              /* points in each direction */
    double rate;        /* of diffusion between neighbours */
    const double *spot; /* 1 where there is light, in two dimensions */
    double light;       /* its strength now */
} Data;

/* ---- on a line: u1, v1, u2, v2, ...; the ends are held at 1 and 3 */
static int field_1d(realtype t, N_Vector state, N_Vector derivative, void *data) {
    const Data *d = data;
    const double *y = NV_DATA_S(state), r = d->rate;
    double *dy = NV_DATA_S(derivative);
    int n = d->n;
    for (int i = 0; i < n; i++) {
        double u = y[2 * i], v = y[2 * i + 1], uuv = u * u * v;
        double ul = i ? y[2 * i - 2] : 1.0, vl = i ? y[2 * i - 1] : 3.0;
        double ur = i < n - 1 ? y[2 * i + 2] : 1.0, vr = i < n - 1 ? y[2 * i + 3] : 3.0;
        dy[2 * i] = 1.0 + uuv - 4.0 * u + r * (ul - 2 * u + ur);
        dy[2 * i + 1] = 3.0 * u - uuv + r * (vl - 2 * v + vr);
    }
    return 0;
}

static int jacobian_1d(realtype t, N_Vector state, N_Vector f, SUNMatrix m, void *data, N_Vector a, N_Vector b,
                       N_Vector c) {
    const Data *d = data;
    const double *y = NV_DATA_S(state), r = d->rate;
    int size = 2 * d->n;
    for (int j = 0; j < size; j++) { /* CVODE gives a matrix of zeros */
        double *column = SM_COLUMN_B(m, j);
        double u = y[j & ~1], v = y[j | 1];
        if (j >= 2) column[-2] = r;
        if (j < size - 2) column[2] = r;
        if (j & 1)
            column[-1] = u * u, column[0] = -u * u - 2 * r;
        else
            column[0] = 2 * u * v - 4.0 - 2 * r, column[1] = 3.0 - 2 * u * v;
    }
    return 0;
}

static void start_1d(double *y, int n) {
    for (int i = 0; i < n; i++) y[2 * i] = 1.0 + sin(2 * PI * (i + 1) / (n + 1)), y[2 * i + 1] = 3.0;
}

/* ---- on a periodic square: all u, then all v */
static void diffuse(const double *restrict u, double *restrict out, int n, double rate) {
    for (int i = 0; i < n; i++) {
        const double *row = u + i * n, *up = u + (i ? i - 1 : n - 1) * n, *down = u + (i < n - 1 ? i + 1 : 0) * n;
        double *o = out + i * n;
        for (int j = 1; j < n - 1; j++) o[j] = rate * (up[j] + down[j] + row[j - 1] + row[j + 1] - 4 * row[j]);
        o[0] = rate * (up[0] + down[0] + row[n - 1] + row[1] - 4 * row[0]);
        o[n - 1] = rate * (up[n - 1] + down[n - 1] + row[n - 2] + row[0] - 4 * row[n - 1]);
    }
}

static int field_2d(realtype t, N_Vector state, N_Vector derivative, void *data) {
    const Data *d = data;
    int points = d->n * d->n;
    const double *restrict u = NV_DATA_S(state), *restrict v = u + points, *restrict spot = d->spot;
    double *restrict du = NV_DATA_S(derivative), *restrict dv = du + points;
    diffuse(u, du, d->n, d->rate), diffuse(v, dv, d->n, d->rate);
    for (int i = 0; i < points; i++) {
        double uuv = u[i] * u[i] * v[i];
        du[i] += 1.0 + uuv - 4.4 * u[i] + d->light * spot[i];
        dv[i] += 3.4 * u[i] - uuv;
    }
    return 0;
}

static int product_2d(N_Vector vector, N_Vector product, realtype t, N_Vector state, N_Vector f, void *data,
                      N_Vector work) {
    const Data *d = data;
    int points = d->n * d->n;
    const double *restrict u = NV_DATA_S(state), *restrict v = u + points;
    const double *restrict a = NV_DATA_S(vector), *restrict b = a + points;
    double *restrict da = NV_DATA_S(product), *restrict db = da + points;
    diffuse(a, da, d->n, d->rate), diffuse(b, db, d->n, d->rate);
    for (int i = 0; i < points; i++) {
        double change = 2 * u[i] * v[i] * a[i] + u[i] * u[i] * b[i];
        da[i] += change - 4.4 * a[i];
        db[i] += 3.4 * a[i] - change;
    }
    return 0;
}

static void start_2d(double *y, double *spot, int n) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double p = (double)i / n, q = (double)j / n;
            y[i * n + j] = 22 * q * pow(1 - q, 1.5), y[n * n + i * n + j] = 27 * p * pow(1 - p, 1.5);
            spot[i * n + j] = (p - 0.3) * (p - 0.3) + (q - 0.6) * (q - 0.6) <= 0.1 * 0.1 + 1e-12;
        }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

/* The library's own is one chain of additions, for which its orthogonalisation would mostly wait. */
static double dot(N_Vector a, N_Vector b) {
    const double *restrict x = NV_DATA_S(a), *restrict y = NV_DATA_S(b);
    double sum[8] = {0};
    long n = NV_LENGTH_S(a), i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) sum[k] += x[i + k] * y[i + k];
    for (; i < n; i++) sum[0] += x[i] * y[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static int wrong = 0, failed = 0;
static long steps = 0, failures = 0;

/* From t to t1, starting anew. */
static void integrate(void *solver, N_Vector y, double t, double t1) {
    long now = 0, fails = 0;
    wrong |= CVodeReInit(solver, t, y);
    wrong |= CVodeSetStopTime(solver, t1);
    failed |= CVode(solver, t1, y, &t, CV_NORMAL) < 0;
    CVodeGetNumSteps(solver, &now), CVodeGetNumErrTestFails(solver, &fails);
    steps += now, failures += fails;
}

int main(int argc, char **argv) {
    if (argc < 6) return fprintf(stderr, "1d|2d n rtol t1 solves [krylov]\n"), 2;
    int plane = argv[1][0] == '2', n = atoi(argv[2]), solves = atoi(argv[5]), krylov = argc > 6 ? atoi(argv[6]) : 0;
    double rtol = atof(argv[3]), t1 = atof(argv[4]), jump = 1.1;
    long size = plane ? 2L * n * n : 2L * n;
    double *y0 = malloc(size * sizeof *y0), *spot = malloc(size * sizeof *spot);
    Data data = {n, plane ? 0.1 * n * n : (n + 1.0) * (n + 1) / 50, spot, 0.0};
    if (plane)
        start_2d(y0, spot, n);
    else
        start_1d(y0, n);
    SUNContext context;
    SUNContext_Create(NULL, &context);
    N_Vector y = N_VNew_Serial(size, context);
    y->ops->nvdotprod = dot;
    memcpy(NV_DATA_S(y), y0, size * sizeof *y0);
    void *solver = CVodeCreate(CV_BDF, context);
    wrong |= CVodeInit(solver, plane ? field_2d : field_1d, 0.0, y);
    wrong |= CVodeSetUserData(solver, &data);
    wrong |= CVodeSStolerances(solver, rtol, rtol);
    if (plane) {
        wrong |= CVodeSetLinearSolver(solver, SUNLinSol_SPGMR(y, SUN_PREC_NONE, krylov, context), NULL);
        wrong |= CVodeSetJacTimes(solver, NULL, product_2d);
    } else {
        SUNMatrix matrix = SUNBandMatrix(size, 2, 2, context);
        wrong |= CVodeSetLinearSolver(solver, SUNLinSol_Band(y, matrix, context), matrix);
        wrong |= CVodeSetJacFn(solver, jacobian_1d);
    }
    wrong |= CVodeSetMaxNumSteps(solver, 1000000);
    printf("{\"times\": [");
    for (int i = 0; i < solves; i++) {
        double began = seconds();
        steps = failures = 0;
        memcpy(NV_DATA_S(y), y0, size * sizeof *y0);
        data.light = 0.0;
        integrate(solver, y, 0.0, plane && jump < t1 ? jump : t1);
        if (plane && jump < t1) {
            data.light = 5.0;
            integrate(solver, y, jump, t1);
        }
        printf("%s%.9e", i ? ", " : "", seconds() - began);
    }
    printf("], \"failed\": %d, \"accepted\": %ld, \"rejected\": %ld, \"y\": [", failed, steps, failures);
    for (long i = 0; i < size; i++) printf("%s%.17g", i ? ", " : "", NV_Ith_S(y, i));
    printf("]}\n");
    return wrong;
}
