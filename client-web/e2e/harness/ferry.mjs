/**
 * Runs in a network namespace and is handed connections from outside of it: each goes on to the port it names, of the
 * namespace's own loopback. Ends with who started it.
 */
import { connect } from 'node:net';

process.on('message', ({ port }, socket) => {
  const inside = connect(port, '127.0.0.1');
  for (const end of [socket, inside]) {
    end.on('error', () => {
      socket.destroy();
      inside.destroy();
    });
  }
  socket.pipe(inside).pipe(socket);
});
