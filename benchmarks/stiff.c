/* Stiff problems of chemistry with CVODE (variable-order BDF, Newton, dense analytic Jacobian) in double precision.

   cc -O3 -march=native -o stiff stiff.c -lsundials_cvode -lsundials_nvecserial -lsundials_sunmatrixdense \
      -lsundials_sunlinsoldense -lm && ./stiff orego 1e-6 360 100 1 1 1
   takes a problem, the relative tolerance, the end, the number of solves, and of each component the absolute tolerance
   over the relative one; prints one line of JSON: seconds per solve (CVodeReInit and the solve, no allocation),
   whether it failed, steps, the final state. Equations and constants are those of `sciml_jax.data.problems`. */
#define _POSIX_C_SOURCE 199309L
#include <cvode/cvode.h>
#include <nvector/nvector_serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sunlinsol/sunlinsol_dense.h>
#include <sunmatrix/sunmatrix_dense.h>
#include <time.h>

/* A field writes dy; a Jacobian adds to the columns J[j] of a matrix of zeros. */
typedef void (*Field)(const double *y, double *dy);
typedef void (*Jacobian)(const double *y, double **J);

static void hires(const double *y, double *dy) {
    double bound = 280.0 * y[5] * y[7], back = (0.69 + 0.43 + 0.69) * y[6];
    dy[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007;
    dy[1] = 1.71 * y[0] - (0.43 + 8.32) * y[1];
    dy[2] = -(8.32 + 1.71) * y[2] + 0.43 * y[3] + 0.035 * y[4];
    dy[3] = 8.32 * y[1] + 1.71 * y[2] - (0.69 + 0.43) * y[3];
    dy[4] = -(1.71 + 0.035) * y[4] + 0.43 * (y[5] + y[6]);
    dy[5] = -bound + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6];
    dy[6] = bound - back;
    dy[7] = back - bound;
}

static void hires_jacobian(const double *y, double **J) {
    double f = 280.0 * y[7], h = 280.0 * y[5], back = 0.69 + 0.43 + 0.69;
    J[0][0] = -1.71, J[0][1] = 1.71;
    J[1][0] = 0.43, J[1][1] = -(0.43 + 8.32), J[1][3] = 8.32;
    J[2][0] = 8.32, J[2][2] = -(8.32 + 1.71), J[2][3] = 1.71;
    J[3][2] = 0.43, J[3][3] = -(0.69 + 0.43), J[3][5] = 0.69;
    J[4][2] = 0.035, J[4][4] = -(1.71 + 0.035), J[4][5] = 1.71;
    J[5][4] = 0.43, J[5][5] = -f - 0.43, J[5][6] = f, J[5][7] = -f;
    J[6][4] = 0.43, J[6][5] = 0.69, J[6][6] = -back, J[6][7] = back;
    J[7][5] = -h, J[7][6] = h, J[7][7] = -h;
}

static const double S = 77.27, Q = 8.375e-6, W = 0.161;

static void orego(const double *y, double *dy) {
    dy[0] = S * (y[1] + y[0] * (1 - Q * y[0] - y[1]));
    dy[1] = (y[2] - (1 + y[0]) * y[1]) / S;
    dy[2] = W * (y[0] - y[2]);
}

static void orego_jacobian(const double *y, double **J) {
    J[0][0] = S * (1 - 2 * Q * y[0] - y[1]), J[0][1] = -y[1] / S, J[0][2] = W;
    J[1][0] = S * (1 - y[0]), J[1][1] = -(1 + y[0]) / S;
    J[2][1] = 1 / S, J[2][2] = -W;
}

static const double EPS = 1e-6;

static void van_der_pol(const double *y, double *dy) {
    dy[0] = y[1];
    dy[1] = ((1 - y[0] * y[0]) * y[1] - y[0]) / EPS;
}

static void van_der_pol_jacobian(const double *y, double **J) {
    J[0][1] = (-2 * y[0] * y[1] - 1) / EPS;
    J[1][0] = 1, J[1][1] = (1 - y[0] * y[0]) / EPS;
}

static const double A = 7.89e-10, B = 1.1e7, CM = 1.13e9, C = 1.13e3;

static void e5(const double *y, double *dy) {
    double r1 = A * y[0], r2 = B * y[0] * y[2], r3 = CM * y[1] * y[2], r4 = C * y[3];
    dy[0] = -r1 - r2;
    dy[1] = r1 - r3;
    dy[2] = (r1 - r3) - (r2 - r4);
    dy[3] = r2 - r4;
}

static void e5_jacobian(const double *y, double **J) {
    J[0][0] = -A - B * y[2], J[0][1] = A, J[0][2] = A - B * y[2], J[0][3] = B * y[2];
    J[1][1] = -CM * y[2], J[1][2] = -CM * y[2];
    J[2][0] = -B * y[0], J[2][1] = -CM * y[1], J[2][2] = -CM * y[1] - B * y[0], J[2][3] = B * y[0];
    J[3][2] = C, J[3][3] = -C;
}

static void pollu(const double *y, double *dy) {
    double r0 = 0.35 * y[0], r1 = 26.6 * y[1] * y[3], r2 = 12300.0 * y[4] * y[1], r3 = 0.00086 * y[6],
           r4 = 0.00082 * y[6], r5 = 15000.0 * y[6] * y[5], r6 = 0.00013 * y[8], r7 = 24000.0 * y[8] * y[5],
           r8 = 16500.0 * y[10] * y[1], r9 = 9000.0 * y[10] * y[0], r10 = 0.022 * y[12], r11 = 12000.0 * y[9] * y[1],
           r12 = 1.88 * y[13], r13 = 16300.0 * y[0] * y[5], r14 = 4800000.0 * y[2], r15 = 0.00035 * y[3],
           r16 = 0.0175 * y[3], r17 = 100000000.0 * y[15], r18 = 444000000000.0 * y[15], r19 = 1240.0 * y[16] * y[5],
           r20 = 2.1 * y[18], r21 = 5.78 * y[18], r22 = 0.0474 * y[0] * y[3], r23 = 1780.0 * y[18] * y[0],
           r24 = 3.12 * y[19];
    dy[0] = -r0 + r1 + r2 + r8 - r9 + r10 + r11 - r13 + r21 - r22 - r23 + r24;
    dy[1] = r0 - r1 - r2 - r8 - r11 + r20; dy[2] = r0 - r14 + r16 + r18 + r21; dy[3] = -r1 + r14 - r15 - r16 - r22;
    dy[4] = -r2 + 2 * r3 + r5 + r6 + r12 + r19; dy[5] = r2 - r5 - r7 - r13 + 2 * r17 - r19;
    dy[6] = -r3 - r4 - r5 + r12; dy[7] = r3 + r4 + r5 + r6; dy[8] = -r6 - r7; dy[9] = r6 + r8 - r11;
    dy[10] = r7 - r8 - r9 + r10; dy[11] = r8; dy[12] = r9 - r10; dy[13] = r11 - r12; dy[14] = r13;
    dy[15] = r15 - r17 - r18; dy[16] = -r19; dy[17] = r19; dy[18] = -r20 - r21 + r22 - r23 + r24;
    dy[19] = r23 - r24;
}

/* reaction by reaction: the derivative of its rate by one reactant, and what it changes */
static void pollu_jacobian(const double *y, double **J) {
    double d, *c;
    d = 0.35, c = J[0], c[0] -= d, c[1] += d, c[2] += d; d = 26.6 * y[3], c = J[1], c[0] += d, c[1] -= d, c[3] -= d;
    d = 26.6 * y[1], c = J[3], c[0] += d, c[1] -= d, c[3] -= d;
    d = 12300.0 * y[1], c = J[4], c[0] += d, c[1] -= d, c[4] -= d, c[5] += d;
    d = 12300.0 * y[4], c = J[1], c[0] += d, c[1] -= d, c[4] -= d, c[5] += d;
    d = 0.00086, c = J[6], c[4] += 2 * d, c[6] -= d, c[7] += d; d = 0.00082, c = J[6], c[6] -= d, c[7] += d;
    d = 15000.0 * y[5], c = J[6], c[4] += d, c[5] -= d, c[6] -= d, c[7] += d;
    d = 15000.0 * y[6], c = J[5], c[4] += d, c[5] -= d, c[6] -= d, c[7] += d;
    d = 0.00013, c = J[8], c[4] += d, c[7] += d, c[8] -= d, c[9] += d;
    d = 24000.0 * y[5], c = J[8], c[5] -= d, c[8] -= d, c[10] += d;
    d = 24000.0 * y[8], c = J[5], c[5] -= d, c[8] -= d, c[10] += d;
    d = 16500.0 * y[1], c = J[10], c[0] += d, c[1] -= d, c[9] += d, c[10] -= d, c[11] += d;
    d = 16500.0 * y[10], c = J[1], c[0] += d, c[1] -= d, c[9] += d, c[10] -= d, c[11] += d;
    d = 9000.0 * y[0], c = J[10], c[0] -= d, c[10] -= d, c[12] += d;
    d = 9000.0 * y[10], c = J[0], c[0] -= d, c[10] -= d, c[12] += d;
    d = 0.022, c = J[12], c[0] += d, c[10] += d, c[12] -= d;
    d = 12000.0 * y[1], c = J[9], c[0] += d, c[1] -= d, c[9] -= d, c[13] += d;
    d = 12000.0 * y[9], c = J[1], c[0] += d, c[1] -= d, c[9] -= d, c[13] += d;
    d = 1.88, c = J[13], c[4] += d, c[6] += d, c[13] -= d;
    d = 16300.0 * y[5], c = J[0], c[0] -= d, c[5] -= d, c[14] += d;
    d = 16300.0 * y[0], c = J[5], c[0] -= d, c[5] -= d, c[14] += d; d = 4800000.0, c = J[2], c[2] -= d, c[3] += d;
    d = 0.00035, c = J[3], c[3] -= d, c[15] += d; d = 0.0175, c = J[3], c[2] += d, c[3] -= d;
    d = 100000000.0, c = J[15], c[5] += 2 * d, c[15] -= d; d = 444000000000.0, c = J[15], c[2] += d, c[15] -= d;
    d = 1240.0 * y[5], c = J[16], c[4] += d, c[5] -= d, c[16] -= d, c[17] += d;
    d = 1240.0 * y[16], c = J[5], c[4] += d, c[5] -= d, c[16] -= d, c[17] += d;
    d = 2.1, c = J[18], c[1] += d, c[18] -= d; d = 5.78, c = J[18], c[0] += d, c[2] += d, c[18] -= d;
    d = 0.0474 * y[3], c = J[0], c[0] -= d, c[3] -= d, c[18] += d;
    d = 0.0474 * y[0], c = J[3], c[0] -= d, c[3] -= d, c[18] += d;
    d = 1780.0 * y[0], c = J[18], c[0] -= d, c[18] -= d, c[19] += d;
    d = 1780.0 * y[18], c = J[0], c[0] -= d, c[18] -= d, c[19] += d;
    d = 3.12, c = J[19], c[0] += d, c[18] += d, c[19] -= d;
}

typedef struct {
    const char *name;
    int n;
    Field field;
    Jacobian jacobian;
    double y0[20];
} Problem;

static const Problem PROBLEMS[] = {
    {"hires", 8, hires, hires_jacobian, {[0] = 1.0, [7] = 0.0057}},
    {"orego", 3, orego, orego_jacobian, {1.0, 2.0, 3.0}},
    {"pollu", 20, pollu, pollu_jacobian, {[1] = 0.2, [3] = 0.04, [6] = 0.1, [7] = 0.3, [8] = 0.01, [16] = 0.007}},
    {"van_der_pol_scaled", 2, van_der_pol, van_der_pol_jacobian, {2.0, 0.0}},
    {"e5", 4, e5, e5_jacobian, {1.76e-3}},
};

static int field(realtype t, N_Vector state, N_Vector derivative, void *data) {
    ((const Problem *)data)->field(NV_DATA_S(state), NV_DATA_S(derivative));
    return 0;
}

static int jacobian(realtype t, N_Vector state, N_Vector f, SUNMatrix m, void *data, N_Vector a, N_Vector b,
                    N_Vector c) {
    ((const Problem *)data)->jacobian(NV_DATA_S(state), SM_COLS_D(m)); /* CVODE gives a matrix of zeros */
    return 0;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(int argc, char **argv) {
    const Problem *problem = NULL;
    for (size_t i = 0; argc > 4 && i < sizeof PROBLEMS / sizeof *PROBLEMS; i++)
        if (!strcmp(argv[1], PROBLEMS[i].name)) problem = &PROBLEMS[i];
    if (!problem || argc != 5 + problem->n) return fprintf(stderr, "problem rtol t1 solves weight...\n"), 2;
    double rtol = atof(argv[2]), t1 = atof(argv[3]);
    int solves = atoi(argv[4]), wrong = 0, failed = 0, n = problem->n;
    SUNContext context;
    SUNContext_Create(NULL, &context);
    N_Vector y = N_VNew_Serial(n, context), atol = N_VNew_Serial(n, context);
    double *data = NV_DATA_S(y);
    memcpy(data, problem->y0, n * sizeof *data);
    for (int i = 0; i < n; i++) NV_Ith_S(atol, i) = rtol * atof(argv[5 + i]);
    void *solver = CVodeCreate(CV_BDF, context);
    SUNMatrix matrix = SUNDenseMatrix(n, n, context);
    SUNLinearSolver linear = SUNLinSol_Dense(y, matrix, context);
    wrong |= CVodeInit(solver, field, 0.0, y);
    wrong |= CVodeSetUserData(solver, (void *)problem);
    wrong |= CVodeSVtolerances(solver, rtol, atol);
    wrong |= CVodeSetLinearSolver(solver, linear, matrix);
    wrong |= CVodeSetJacFn(solver, jacobian);
    wrong |= CVodeSetMaxNumSteps(solver, 1000000);
    long steps = 0, failures = 0;
    printf("{\"times\": [");
    for (int i = 0; i < solves; i++) {
        double t, began = seconds();
        memcpy(data, problem->y0, n * sizeof *data);
        wrong |= CVodeReInit(solver, 0.0, y);
        wrong |= CVodeSetStopTime(solver, t1);
        failed |= CVode(solver, t1, y, &t, CV_NORMAL) < 0;
        printf("%s%.9e", i ? ", " : "", seconds() - began);
    }
    CVodeGetNumSteps(solver, &steps);
    CVodeGetNumErrTestFails(solver, &failures);
    printf("], \"failed\": %d, \"accepted\": %ld, \"rejected\": %ld, \"y\": [", failed, steps, failures);
    for (int i = 0; i < n; i++) printf("%s%.17g", i ? ", " : "", data[i]);
    printf("]}\n");
    return wrong;
}
