#include "spread.h"

/* How much of what is due is too many or too few. */
static double deviation(double has, double due)
{
	return (has > due ? has - due : due - has) / due;
}

uint32_t lb_spread_permille(const struct lb_spread_share *shares, size_t n)
{
	double conns = 0, weight = 0, largest = 0, permille;

	for (size_t i = 0; i < n; i++) {
		if (shares[i].weight == 0)
			continue;
		conns += (double)shares[i].conns;
		weight += shares[i].weight;
	}
	if (conns == 0 || weight == 0)
		return LB_SPREAD_UNKNOWN;
	for (size_t i = 0; i < n; i++) {
		double off;

		if (shares[i].weight == 0)
			continue;
		off = deviation((double)shares[i].conns, conns * shares[i].weight / weight);
		largest = off > largest ? off : largest;
	}
	permille = 1000 * largest + 0.5;
	return permille < LB_SPREAD_PERMILLE_MAX ? (uint32_t)permille : LB_SPREAD_PERMILLE_MAX;
}
