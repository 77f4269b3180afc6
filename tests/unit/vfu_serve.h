/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two files of the rig share: vfu_rig.c has the connections, vfu_serve.c the function. */
#ifndef TESTS_VFU_SERVE_H
#define TESTS_VFU_SERVE_H

#include "vfu_rig.h"

void rig_reply_with(struct rig_conn *c, const struct vfuser_message *m, const void *data, u32 size,
		    const int *fd, u32 n_fds);

/* Each is called with the lock held. */
void rig_serve(struct rig_conn *c, struct vfuser_message *m);
struct rig_map *rig_find_map(struct rig_conn *c, u64 address); /* NULL: none */
void rig_remove_map(struct rig_conn *c, struct rig_map *map);
void rig_remove_vectors(struct rig_conn *c, u32 kind, u32 start, u32 count);
void rig_signal_fd(int fd);
void rig_signal_line(struct rig_conn *c); /* unless it is low or masked */

#endif
