/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of a client, as the specification defines them. */
#include "vfu_serve.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void serve_version(struct rig_conn *c, const struct vfuser_message *m)
{
	u8 payload[VFUSER_VERSION_MAX];
	struct vfuser_version v;
	u32 size;

	assert_int_equal(vfuser_version_parse(m->data, m->size, &v), 0);
	assert_true(v.major == 0 && v.minor == 1);
	vfuser_version_defaults(&v);
	v.minor = rig.minor;
	v.max_msg_fds = rig.max_msg_fds;
	v.max_dma_maps = rig.max_dma_maps;
	size = vfuser_version_format(payload, &v);
	if (rig.json) {
		strcpy((char *)payload + 4, rig.json);
		size = 4 + (u32)strlen(rig.json) + 1;
	}
	rig_reply(c, m, 0, payload, size);
}

struct rig_map *rig_find_map(struct rig_conn *c, u64 address)
{
	for (u32 i = 0; i < c->n_maps; i++)
		if (address - c->map[i].address < c->map[i].size)
			return &c->map[i];
	return NULL;
}

static int do_map(struct rig_conn *c, const struct vfuser_message *m)
{
	struct vfuser_dma_map map;
	struct rig_map *to = &c->map[c->n_maps];

	rig.map_calls++;
	assert_int_equal(m->size, sizeof(map));
	memcpy(&map, m->data, sizeof(map));
	assert_int_equal(map.argsz, sizeof(map));
	assert_true(map.size && !((map.address | map.size | map.offset) & 4095));
	assert_true(map.flags && !(map.flags & ~3u));
	assert_in_range(m->n_fds, 0, 1);
	for (u32 i = 0; i < c->n_maps; i++)
		if (map.address < c->map[i].address + c->map[i].size &&
		    c->map[i].address < map.address + map.size)
			return EEXIST;
	if (c->n_maps == rig.max_dma_maps || c->n_maps == RIG_MAPS)
		return ENOSPC;
	*to = (struct rig_map){.address = map.address,
			       .size = map.size,
			       .read = map.flags & VFUSER_MAP_READ,
			       .write = map.flags & VFUSER_MAP_WRITE};
	if (m->n_fds) {
		struct stat st;

		assert_int_equal(fstat(m->fds[0], &st), 0);
		assert_true(map.offset + map.size <= (u64)st.st_size);
		to->base = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
				m->fds[0], (off_t)map.offset);
		assert_true(to->base != MAP_FAILED);
	}
	c->n_maps++;
	return 0;
}

void rig_remove_map(struct rig_conn *c, struct rig_map *map)
{
	if (map->base)
		munmap(map->base, map->size);
	*map = c->map[--c->n_maps];
}

static void serve_unmap(struct rig_conn *c, const struct vfuser_message *m)
{
	struct vfuser_dma_unmap unmap;
	struct rig_map *map;

	rig.unmap_calls++;
	assert_int_equal(m->size, sizeof(unmap));
	memcpy(&unmap, m->data, sizeof(unmap));
	assert_true(unmap.argsz == sizeof(unmap) && !unmap.flags);
	map = rig_find_map(c, unmap.address);
	if (!map || map->address != unmap.address || map->size != unmap.size) {
		rig_reply(c, m, ENOENT, NULL, 0);
		return;
	}
	rig_remove_map(c, map);
	rig_reply(c, m, 0, &unmap, rig.plain_unmap ? 0 : sizeof(unmap));
}

static void serve_device_info(struct rig_conn *c, const struct vfuser_message *m)
{
	const struct vfuser_device_info info = {.argsz = sizeof(info),
						.flags = VFUSER_DEVICE_PCI |
							 (rig.no_reset ? 0 : VFUSER_DEVICE_RESET),
						.regions = VFUSER_REGIONS,
						.irqs = VFUSER_IRQS};

	rig_reply(c, m, 0, &info, sizeof(info));
}

static void serve_region_info(struct rig_conn *c, const struct vfuser_message *m)
{
	struct {
		struct vfuser_region_info info;
		struct vfuser_cap_head other; /* a capability that the client does not know */
		struct vfuser_cap_sparse sparse;
		struct vfuser_sparse_area area[2];
	} r = {.other = {.id = 9, .version = 1}};
	u32 size = sizeof(r.info);

	assert_int_equal(m->size, sizeof(r.info));
	memcpy(&r.info, m->data, sizeof(r.info));
	assert_true(r.info.argsz >= sizeof(r) && !r.info.flags && r.info.index < VFUSER_REGIONS);
	r.info.argsz = sizeof(r.info);
	r.info.flags = VFUSER_REGION_READABLE | VFUSER_REGION_WRITABLE;
	r.info.size = r.info.index == 0	  ? RIG_BAR0
		      : r.info.index == 2 ? RIG_BAR2
		      : r.info.index == 7 ? sizeof(rig.config)
					  : 0;
	if (r.info.index || rig.no_mmap) {
		rig_reply(c, m, 0, &r, size);
		return;
	}
	r.info.flags |= VFUSER_REGION_MMAP | VFUSER_REGION_CAPS;
	r.info.offset = 4096; /* of the file; its first page is not part of the region */
	r.info.argsz = size = sizeof(r);
	r.info.cap_offset = offsetof(__typeof__(r), other);
	r.other.next = offsetof(__typeof__(r), sparse);
	r.sparse = (struct vfuser_cap_sparse){.head = {.id = VFUSER_CAP_SPARSE, .version = 1},
					      .count = 2};
	r.area[0] = (struct vfuser_sparse_area){0, 4096};
	r.area[1] = (struct vfuser_sparse_area){8192, 8192};
	rig_reply_with(c, m, &r, size, &rig.bar0_fd, 1);
}

static void serve_irq_info(struct rig_conn *c, const struct vfuser_message *m)
{
	const unsigned int count[] = {rig.intx, rig.msi, rig.msix, 1, 1};
	struct vfuser_irq_info info;

	assert_int_equal(m->size, sizeof(info));
	memcpy(&info, m->data, sizeof(info));
	assert_in_range(info.index, 0, VFUSER_IRQS - 1);
	info.argsz = sizeof(info);
	info.flags = VFUSER_IRQ_EVENTFD;
	if (!info.index && !rig.edge_line)
		info.flags |= VFUSER_IRQ_MASKABLE | VFUSER_IRQ_AUTOMASK;
	info.count = count[info.index];
	rig_reply(c, m, 0, &info, sizeof(info));
}

void rig_signal_fd(int fd)
{
	const u64 one = 1;

	if (fd >= 0)
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

void rig_signal_line(struct rig_conn *c)
{
	if (!c->line || c->line_masked)
		return;
	c->line_masked = !rig.edge_line;
	rig_signal_fd(c->vector_fd[0][0]);
}

void rig_remove_vectors(struct rig_conn *c, u32 kind, u32 start, u32 count)
{
	for (u32 i = start; i < start + count; i++) {
		if (c->vector_fd[kind][i] >= 0)
			close(c->vector_fd[kind][i]);
		c->vector_fd[kind][i] = -1;
	}
}

static int do_set_irqs(struct rig_conn *c, struct vfuser_message *m)
{
	const unsigned int most[] = {rig.intx, rig.msi, rig.msix};
	struct vfuser_set_irqs set;

	assert_int_equal(m->size, sizeof(set));
	memcpy(&set, m->data, sizeof(set));
	assert_in_range(set.index, 0, 2);
	assert_int_equal(set.argsz, sizeof(set));
	if (!range_within(set.start, set.count, most[set.index]))
		return EINVAL;
	switch (set.flags) {
	case VFUSER_SET_NONE | VFUSER_SET_UNMASK:
		assert_true(set.index == 0 && set.count == 1);
		rig.unmasks++;
		c->line_masked = false;
		rig_signal_line(c);
		return 0;
	case VFUSER_SET_NONE | VFUSER_SET_TRIGGER:
		assert_true(!set.count && !set.start);
		rig_remove_vectors(c, set.index, 0, RIG_VECTORS);
		return 0;
	case VFUSER_SET_EVENTFD | VFUSER_SET_TRIGGER:
		assert_int_equal(m->n_fds, set.count);
		assert_true(m->n_fds <= rig.max_msg_fds);
		rig_remove_vectors(c, set.index, set.start, set.count);
		for (u32 i = 0; i < set.count; i++) {
			c->vector_fd[set.index][set.start + i] = m->fds[i];
			m->fds[i] = -1;
		}
		return 0;
	}
	fail_msg("flags of SET_IRQS: %#x", set.flags);
	return EINVAL;
}

/* The bytes of a register; NULL: there are none. */
static u8 *register_bytes(const struct vfuser_region_access *a)
{
	if (a->region == 0 && range_within(a->offset, a->count, RIG_BAR0))
		return rig.bar0 + a->offset;
	if (a->region == 2 && range_within(a->offset, a->count, RIG_BAR2))
		return rig.bar2 + a->offset;
	if (a->region == 7 && range_within(a->offset, a->count, sizeof(rig.config)))
		return rig.config + a->offset;
	return NULL;
}

static void serve_register(struct rig_conn *c, const struct vfuser_message *m)
{
	bool write = m->head.command == VFUSER_REGION_WRITE;
	struct {
		struct vfuser_region_access a;
		u8 data[8];
	} r = {0};
	u8 *p;

	assert_true(m->size >= sizeof(r.a) && m->size <= sizeof(r));
	memcpy(&r, m->data, m->size);
	assert_int_equal(m->size, sizeof(r.a) + (write ? r.a.count : 0));
	assert_true(is_pow2(r.a.count) && r.a.count <= 8 && !(r.a.offset & (r.a.count - 1)));
	rig.posted += (m->head.flags & VFUSER_NO_REPLY) != 0;
	rig.reads += !write;
	p = register_bytes(&r.a);
	if (!p) {
		rig_reply(c, m, EINVAL, NULL, 0);
		return;
	}
	if (write)
		memcpy(p, r.data, r.a.count);
	else
		memcpy(r.data, p, r.a.count);
	rig_reply(c, m, 0, &r, (u32)(sizeof(r.a) + (write ? 0 : r.a.count)));
}

void rig_serve(struct rig_conn *c, struct vfuser_message *m)
{
	switch (m->head.command) {
	case VFUSER_VERSION:
		serve_version(c, m);
		break;
	case VFUSER_DMA_MAP:
		rig_reply(c, m, do_map(c, m), NULL, 0);
		break;
	case VFUSER_DMA_UNMAP:
		serve_unmap(c, m);
		break;
	case VFUSER_DEVICE_INFO:
		serve_device_info(c, m);
		break;
	case VFUSER_REGION_INFO:
		serve_region_info(c, m);
		break;
	case VFUSER_IRQ_INFO:
		serve_irq_info(c, m);
		break;
	case VFUSER_SET_IRQS:
		rig_reply(c, m, do_set_irqs(c, m), NULL, 0);
		break;
	case VFUSER_REGION_READ:
	case VFUSER_REGION_WRITE:
		serve_register(c, m);
		break;
	case VFUSER_RESET:
		assert_false(rig.no_reset);
		rig.resets++;
		rig_reply(c, m, 0, NULL, 0);
		break;
	default:
		fail_msg("command %u", m->head.command);
	}
}
