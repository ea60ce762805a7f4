/* Coefficients of Tsit5: Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying
   assumption, Computers & Mathematics with Applications 62 (2011) 770-775, doi:10.1016/j.camwa.2011.06.002. */
static const double A21 = 0.161;
static const double A31 = -0.008480655492356989, A32 = 0.335480655492357;
static const double A41 = 2.8971530571054935, A42 = -6.359448489975075, A43 = 4.3622954328695815;
static const double A51 = 5.325864828439257, A52 = -11.748883564062828, A53 = 7.4955393428898365,
                    A54 = -0.09249506636175525;
static const double A61 = 5.86145544294642, A62 = -12.92096931784711, A63 = 8.159367898576159,
                    A64 = -0.071584973281401, A65 = -0.028269050394068383;
static const double B1 = 0.09646076681806523, B2 = 0.01, B3 = 0.4798896504144996, B4 = 1.379008574103742,
                    B5 = -3.290069515436081, B6 = 2.324710524099774;
static const double E1 = -0.00178001105222577714, E2 = -0.0008164344596567469, E3 = 0.007880878010261995,
                    E4 = -0.1447110071732629, E5 = 0.5823571654525552, E6 = -0.45808210592918697,
                    E7 = 0.015151515151515152;
