// use.cpp: the same from C++: the headers are wrapped in extern "C", every one of them.
#include <likeness/eval.h>
#include <likeness/likeness.h>
#include <likeness/train.h>

#include <cmath>

int main() {
    const float a[2] = {1, 0}, b[2] = {0, 1};
    return std::fabs(lk_l2(a, b, 2) - std::sqrt(2.0)) < 1e-6 && lk_net_name(0) != nullptr ? 0 : 1;
}
