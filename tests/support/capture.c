#include "capture.h"

#include <stdlib.h>

#define MAGIC 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du /* stamps in ns, as net_pcap writes them */
#define ETHERNET 1u

struct file_head {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t longest;
	uint32_t link_type;
};

struct record_head {
	uint32_t s;
	uint32_t us;
	uint32_t captured;
	uint32_t len;
};

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "capture: %s\n", what);
	abort();
}

FILE *capture_create(const char *path)
{
	struct file_head head = {MAGIC, 2, 4, 0, 0, CAPTURE_FRAME_MAX, ETHERNET};
	FILE *f = fopen(path, "we");

	must(f != NULL && fwrite(&head, sizeof(head), 1, f) == 1, "the file cannot be made");
	return f;
}

void capture_write(FILE *f, const void *frame, uint32_t len)
{
	struct record_head head = {0, 0, len, len};

	must(len <= CAPTURE_FRAME_MAX && fwrite(&head, sizeof(head), 1, f) == 1 &&
		     fwrite(frame, len, 1, f) == 1,
	     "the frame cannot be written");
}

FILE *capture_open(const char *path)
{
	FILE *f = fopen(path, "re");
	struct file_head head;

	must(f != NULL && fread(&head, sizeof(head), 1, f) == 1 &&
		     (head.magic == MAGIC || head.magic == MAGIC_NS) && head.link_type == ETHERNET,
	     "this is no capture of Ethernet frames in this machine's byte order");
	return f;
}

uint32_t capture_read(FILE *f, void *frame, uint32_t size)
{
	static uint8_t bytes[CAPTURE_FRAME_MAX];
	struct record_head head;

	if (fread(&head, sizeof(head), 1, f) != 1)
		return 0;
	must(head.captured <= sizeof(bytes) && fread(bytes, 1, head.captured, f) == head.captured,
	     "the file ends within a frame");
	for (uint32_t i = 0; i < head.captured && i < size; i++)
		((uint8_t *)frame)[i] = bytes[i];
	return head.captured;
}
