#include "ballast_replay_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

void lb_replay_usage(FILE *to)
{
	fputs("usage: ballast_replay --config FILE --in CAPTURE --out CAPTURE [options]\n"
	      "  --counters FILE   write the counters as one JSON object\n"
	      "  --seed N          fix hashes, stagger and NAT ports (default 0)\n"
	      "  --explain         print one line per packet and pass\n"
	      "  --down ADDR@S     the monitors find this server down from S seconds on\n"
	      "  --iface NAME      on whose device the packets arrive (default: the first)\n"
	      "  --help\n",
	      to);
}

static bool parse_down(const char *text, struct lb_replay_options *o)
{
	char addr[LB_ADDR_TEXT_MAX], *end;
	const char *at = strchr(text, '@');

	if (at == NULL || (size_t)(at - text) >= sizeof(addr) || at[1] < '0' || at[1] > '9')
		return false;
	memcpy(addr, text, (size_t)(at - text));
	addr[at - text] = '\0';
	errno = 0;
	o->down_ms = strtoul(at + 1, &end, 10);
	if (errno != 0 || *end != '\0' || o->down_ms > UINT32_MAX)
		return false;
	o->down_ms *= 1000;
	return lb_addr_parse(addr, &o->down) == 0;
}

int lb_replay_options_parse(int argc, char **argv, struct lb_replay_options *o)
{
	static const struct option known[] = {{"config", required_argument, NULL, 'c'},
					      {"in", required_argument, NULL, 'i'},
					      {"out", required_argument, NULL, 'o'},
					      {"counters", required_argument, NULL, 'n'},
					      {"seed", required_argument, NULL, 's'},
					      {"explain", no_argument, NULL, 'e'},
					      {"iface", required_argument, NULL, 'f'},
					      {"down", required_argument, NULL, 'd'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'i':
			o->in = optarg;
			break;
		case 'o':
			o->out = optarg;
			break;
		case 'n':
			o->counters = optarg;
			break;
		case 's':
			errno = 0;
			o->seed = strtoull(optarg, &end, 0);
			if (errno != 0 || *optarg == '-' || *optarg == '\0' || *end != '\0')
				return -EINVAL;
			break;
		case 'e':
			o->is_explained = true;
			break;
		case 'd':
			if (!parse_down(optarg, o))
				return -EINVAL;
			break;
		case 'f':
			o->iface = optarg;
			break;
		case 'h':
			o->is_help = true;
			return 0;
		default:
			return -EINVAL;
		}
	}
	return optind == argc && o->config != NULL && o->in != NULL && o->out != NULL ? 0 : -EINVAL;
}
