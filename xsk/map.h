/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that represent BPF programs and maps. No BPF program is loaded for a card, but
 * applications that load one expect descriptors of it and of its maps, and store sockets in the map
 * of sockets.
 */
#ifndef XSK_MAP_H
#define XSK_MAP_H

#include <dmamap/types.h>

enum xsk_map_kind { XSK_MAP_NONE, XSK_MAP_SOCKETS, XSK_MAP_OTHER, XSK_MAP_PROGRAM };

#define XSK_MAP_ID     0x6d617001u /* numbers of the stand-ins, for calls that take a number */
#define XSK_PROGRAM_ID 0x6d617002u

/* Creates a stand-in. Returns its descriptor or -errno. */
int xsk_map_make(enum xsk_map_kind kind);
/* XSK_MAP_NONE: the descriptor is not a stand-in. */
enum xsk_map_kind xsk_map_kind_of(int fd);

/*
 * Writes a descriptor into a map, or removes it. Returns 0 or -errno, or 1 if the call must be
 * passed to the system: the map is the system's, and the descriptor is not a socket of this
 * library.
 */
int xsk_map_update(int map_fd, const void *key, const void *value);
int xsk_map_delete(int map_fd, const void *key);

#endif
