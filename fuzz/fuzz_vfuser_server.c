/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A served device and a client that sends any messages in any order, with any descriptors. The
 * first byte decides whether a correct version message precedes them. A record of the input is a
 * command whose fields are mostly plausible, or raw bytes. The client answers the server's DMA
 * messages, sometimes wrongly. After each input the device must serve a correct client.
 */
#include <dmamap/device.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/serve.h"
#include "../tests/unit/fd_message.h"
#include "vfuser/channel.h"
#include "vfuser/version.h"

#include <poll.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAYLOAD_MAX 4096u

/* Fields: a: size of the structure, w: 32 bits, q: 64 bits. */
static const struct {
	u16 command;
	const char *fields;
} commands[] = {
	{VFUSER_DMA_MAP, "awqqq"},	{VFUSER_DMA_UNMAP, "awqq"},
	{VFUSER_DEVICE_INFO, "awww"},	{VFUSER_REGION_INFO, "awwwqq"},
	{VFUSER_REGION_IO_FDS, "awww"}, {VFUSER_IRQ_INFO, "awww"},
	{VFUSER_SET_IRQS, "awwww"},	{VFUSER_REGION_READ, "qww"},
	{VFUSER_REGION_WRITE, "qwwq"},	{VFUSER_REGION_WRITE, "qww"},
	{VFUSER_WRITE_MULTI, "qqwwq"},	{VFUSER_RESET, ""},
	{VFUSER_FEATURE, "aw"},		{VFUSER_VERSION, "w"},
};

static struct served *served;
static const uint8_t *input, *input_end;
static int kinds[4]; /* a memory file, an eventfd, the reading end of a pipe, a directory */
static struct vfuser_channel client;
static u8 payload[VFUSER_XFER_DEFAULT + 64];

static u32 take(void)
{
	return input < input_end ? *input++ : 0;
}

static u32 take_word(void)
{
	u32 v = take();

	if (v < 64)
		return v;
	if (v < 128)
		return (v - 64) << 12;
	if (v < 160)
		return 1u << (v - 128);
	if (v < 192)
		return ~(v - 160);
	return take() | take() << 8 | take() << 16 | take() << 24;
}

static u64 take_quad(void)
{
	u32 v = take();

	if (v < 64)
		return v * 4;
	if (v < 128)
		return (u64)(v - 64) << 12;
	if (v < 192)
		return 1ull << (v - 128);
	return take_word() | (u64)take_word() << 32;
}

/* Sends bytes with descriptors; gives up if the server does not read. */
static void client_send(const void *p, size_t n, u32 n_fds)
{
	int fds[40];

	for (u32 i = 0; i < n_fds; i++)
		fds[i] = kinds[take() % 4];
	if (n)
		fd_message_send(client.fd, p, n, fds, n_fds, MSG_DONTWAIT);
}

static u32 put(u8 *to, u32 at, u64 value, u32 n)
{
	memcpy(to + at, &value, n);
	return at + n;
}

static u32 fields_size(const char *fields)
{
	u32 n = 0;

	for (; *fields; fields++)
		n += *fields == 'q' ? 8 : 4;
	return n;
}

static void client_send_command(u32 op)
{
	u32 which = take() % (sizeof(commands) / sizeof(commands[0])),
	    at = sizeof(struct vfuser_header);
	const char *fields = commands[which].fields;
	struct vfuser_header head = {.command = commands[which].command,
				     .flags = op & 4 ? VFUSER_NO_REPLY : 0};
	u8 message[PAYLOAD_MAX];
	u32 extra = op & 8 ? take() : 0;

	for (const char *f = fields; *f; f++)
		at = *f == 'a'	 ? put(message, at, op & 16 ? take_word() : fields_size(fields), 4)
		     : *f == 'w' ? put(message, at, take_word(), 4)
				 : put(message, at, take_quad(), 8);
	while (extra-- && input < input_end)
		message[at++] = (u8)take();
	head.size = op & 32 ? take_word() : at;
	if (op & 64)
		head.flags ^= take();
	memcpy(message, &head, sizeof(head));
	client_send(message, at, op & 128 ? take() % 40 : 0);
}

static void client_send_record(void)
{
	u32 op = take();
	size_t n;

	if (op & 3) {
		client_send_command(op);
		return;
	}
	n = take();
	if (n > (size_t)(input_end - input))
		n = (size_t)(input_end - input);
	input += n;
	client_send(input - n, n, op & 4 ? take() % 40 : 0);
}

/* Reads what the server has sent, and answers its requests. False: the connection has ended. */
static bool client_answer(int wait_ms)
{
	struct pollfd p = {.fd = client.fd, .events = POLLIN};
	struct vfuser_message m = {.data = payload, .room = sizeof(payload)};

	while (vfuser_has_ahead(&client) || poll(&p, 1, wait_ms) > 0) {
		struct vfuser_dma_access a = {0};
		u32 n = sizeof(a);

		if (vfuser_receive(&client, &m, 0))
			return false;
		vfuser_message_close(&m);
		if ((m.head.flags & VFUSER_TYPE) != VFUSER_REQUEST || m.size < sizeof(a))
			continue;
		memcpy(&a, payload, sizeof(a));
		if (m.head.command == VFUSER_DMA_READ)
			n += (u32)(a.count <= VFUSER_XFER_DEFAULT ? a.count : 0);
		if (take() % 4 == 3)
			n += take() % 3 - 1;
		if (vfuser_reply(&client, &m.head, take() % 16 == 15 ? EIO : 0, payload, n, 1000))
			return false;
	}
	return true;
}

static void client_version(void)
{
	struct vfuser_header head = {.command = VFUSER_VERSION};
	struct vfuser_version v;
	u8 text[VFUSER_VERSION_MAX];
	struct iovec part = {text, 0};

	vfuser_version_defaults(&v);
	v.max_msg_fds = 8;
	part.iov_len = vfuser_version_format(text, &v);
	vfuser_send(&client, head, &part, 1, NULL, 0, 1000);
}

static void *client_main(void *first)
{
	bool alive = true;

	if (*(uint8_t *)first & 1)
		client_version();
	while (alive && input < input_end) {
		client_send_record();
		alive = client_answer(0);
	}
	if (alive)
		client_answer(2);
	vfuser_channel_fini(&client);
	return NULL;
}

/* A correct client: the device must be in its initial state. */
static void *client_check(void *unused)
{
	struct vfuser_region_access a = {.region = 0, .count = 4};
	struct vfuser_header head = {.command = VFUSER_REGION_READ};
	struct vfuser_message m = {.data = payload, .room = sizeof(payload)};
	struct iovec part = {&a, sizeof(a)};
	u32 id = 0;

	client_version();
	vfuser_send(&client, head, &part, 1, NULL, 0, 1000);
	if (vfuser_receive(&client, &m, 20000) || m.head.command != VFUSER_VERSION ||
	    vfuser_receive(&client, &m, 20000) || m.size != sizeof(a) + 4)
		abort();
	memcpy(&id, payload + sizeof(a), 4);
	if (id != 0x010000ed)
		abort();
	vfuser_channel_fini(&client);
	return NULL;
}

static void connection(void *(*run)(void *), const uint8_t *first)
{
	pthread_t id;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) ||
	    vfuser_channel_init(&client, fd[1]) ||
	    pthread_create(&id, NULL, run, (void *)(uintptr_t)first))
		abort();
	serve_connection(served, fd[0]);
	pthread_join(id, NULL);
}

static void start(void)
{
	const struct serve_config config = {.spec = "sim:edu,ram=64M", .check = true};
	int pipe_fd[2];

	served = serve_start(&config);
	kinds[0] = memfd_create("fuzz", MFD_CLOEXEC);
	kinds[1] = eventfd(0, EFD_CLOEXEC);
	if (!served || pipe(pipe_fd) || ftruncate(kinds[0], 1 << 20))
		abort();
	kinds[2] = pipe_fd[0];
	kinds[3] = dup(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;

	if (!served)
		start();
	if (!size)
		return 0;
	input = data + 1;
	input_end = data + size;
	connection(client_main, data);
	if (!(runs++ % 16))
		connection(client_check, data);
	return 0;
}
