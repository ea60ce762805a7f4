/* ROBER with CVODE (variable-order BDF, Newton, dense analytic Jacobian) in double precision.

   cc -O3 -march=native -o rober rober.c -lsundials_cvode -lsundials_nvecserial -lsundials_sunmatrixdense \
      -lsundials_sunlinsoldense -lm && ./rober 1e-6 1e5 100
   prints one line of JSON: seconds per solve (CVodeReInit and the solve, no allocation), steps, the final state.
   The absolute tolerance is 1e-4 of the relative one, as for the other contenders. */
#define _POSIX_C_SOURCE 199309L
#include <cvode/cvode.h>
#include <nvector/nvector_serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <sunlinsol/sunlinsol_dense.h>
#include <sunmatrix/sunmatrix_dense.h>
#include <time.h>

static const double K1 = 0.04, K2 = 3e7, K3 = 1e4;

static int field(realtype t, N_Vector state, N_Vector derivative, void *data) {
    const double *y = NV_DATA_S(state);
    double *dy = NV_DATA_S(derivative);
    double a = K1 * y[0], b = K3 * y[1] * y[2], c = K2 * y[1] * y[1];
    dy[0] = b - a;
    dy[1] = a - b - c;
    dy[2] = c;
    return 0;
}

static int jacobian(realtype t, N_Vector state, N_Vector f, SUNMatrix m, void *data, N_Vector a, N_Vector b, N_Vector c) {
    const double *y = NV_DATA_S(state);
    SM_ELEMENT_D(m, 0, 0) = -K1;
    SM_ELEMENT_D(m, 0, 1) = K3 * y[2];
    SM_ELEMENT_D(m, 0, 2) = K3 * y[1];
    SM_ELEMENT_D(m, 1, 0) = K1;
    SM_ELEMENT_D(m, 1, 1) = -K3 * y[2] - 2 * K2 * y[1];
    SM_ELEMENT_D(m, 1, 2) = -K3 * y[1];
    SM_ELEMENT_D(m, 2, 0) = 0;
    SM_ELEMENT_D(m, 2, 1) = 2 * K2 * y[1];
    SM_ELEMENT_D(m, 2, 2) = 0;
    return 0;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

static void start(double *y) { y[0] = 1.0, y[1] = 0.0, y[2] = 0.0; }

int main(int argc, char **argv) {
    double rtol = argc > 1 ? atof(argv[1]) : 1e-6, t1 = argc > 2 ? atof(argv[2]) : 1e5;
    int solves = argc > 3 ? atoi(argv[3]) : 100, failed = 0;
    SUNContext context;
    SUNContext_Create(NULL, &context);
    N_Vector y = N_VNew_Serial(3, context);
    double *data = NV_DATA_S(y);
    start(data);
    void *solver = CVodeCreate(CV_BDF, context);
    SUNMatrix matrix = SUNDenseMatrix(3, 3, context);
    SUNLinearSolver linear = SUNLinSol_Dense(y, matrix, context);
    failed |= CVodeInit(solver, field, 0.0, y);
    failed |= CVodeSStolerances(solver, rtol, 1e-4 * rtol);
    failed |= CVodeSetLinearSolver(solver, linear, matrix);
    failed |= CVodeSetJacFn(solver, jacobian);
    failed |= CVodeSetMaxNumSteps(solver, 1000000);
    long steps = 0, failures = 0;
    printf("{\"times\": [");
    for (int n = 0; n < solves; n++) {
        double t, began = seconds();
        start(data);
        failed |= CVodeReInit(solver, 0.0, y);
        failed |= CVodeSetStopTime(solver, t1);
        failed |= CVode(solver, t1, y, &t, CV_NORMAL) < 0;
        printf("%s%.9e", n ? ", " : "", seconds() - began);
    }
    CVodeGetNumSteps(solver, &steps);
    CVodeGetNumErrTestFails(solver, &failures);
    printf("], \"accepted\": %ld, \"rejected\": %ld, \"y\": [%.17g, %.17g, %.17g]}\n", steps, failures, data[0], data[1],
           data[2]);
    return failed;
}
