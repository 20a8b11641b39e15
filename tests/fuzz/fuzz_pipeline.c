/* Any bytes as a story of frames, commands and time for a small installation (support/play.h). */
#include "play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	play(data, size, NULL);
	return 0;
}
