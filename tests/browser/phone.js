// One side of a call, as a web application would write it: a real RTCPeerConnection, our HTTP for what it says, our socket for
// what it hears.
class Phone {
  constructor(server, token) {
    this.server = server;
    this.headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    this.heard = [];
    this.state = "idle";
    this.waiting = []; // candidates of mine that no call has yet, of the other's that no description has yet
    this.early = [];
  }

  async ask(method, path, body) {
    const answer = await fetch(`http://${this.server}${path}`, { method, headers: this.headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async open() {
    const { session_token } = await this.ask("POST", "/ws/start", {});
    this.socket = new WebSocket(`ws://${this.server}/ws/chat?session=${session_token}`);
    this.frames = Promise.resolve();
    this.socket.onmessage = ({ data }) => {
      this.frames = this.frames.then(() => this.hear(JSON.parse(data))).catch((error) => (this.error = String(error)));
    };
    await new Promise((resolve, reject) => ((this.socket.onopen = resolve), (this.socket.onerror = reject)));
    const { ice_servers } = await this.ask("GET", "/api/calls/servers");
    this.peer = new RTCPeerConnection({ iceServers: ice_servers });
    this.peer.onicecandidate = ({ candidate }) => candidate && candidate.candidate && this.tell(candidate);
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    media.getTracks().forEach((track) => this.peer.addTrack(track, media));
  }

  async tell(candidate) {
    if (this.call === undefined) return this.waiting.push(candidate);
    await this.ask("POST", `/api/calls/${this.call}/signal`, { kind: "ice", payload: JSON.stringify(candidate) });
  }

  async ring(chat) {
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const call = await this.ask("POST", "/api/calls", { chat_id: chat, sdp: this.peer.localDescription.sdp, media: "video" });
    await this.begin(call.id);
  }

  async begin(call) {
    this.call = call;
    for (const candidate of this.waiting.splice(0)) await this.tell(candidate);
  }

  async hear(frame) {
    this.heard.push(frame.type === "signal" ? `signal ${frame.kind}` : `${frame.type} ${frame.state || ""}`.trim());
    if (frame.type === "call") this.state = frame.state;
    if (frame.type !== "signal") return;
    if (frame.kind === "ice") return this.meet(JSON.parse(frame.payload));
    await this.peer.setRemoteDescription({ type: frame.kind, sdp: frame.payload });
    for (const candidate of this.early.splice(0)) await this.meet(candidate);
    if (frame.kind === "offer") {
      await this.peer.setLocalDescription(await this.peer.createAnswer());
      await this.ask("POST", `/api/calls/${frame.call_id}/answer`, { sdp: this.peer.localDescription.sdp });
      await this.begin(frame.call_id);
    }
  }

  async meet(candidate) {
    if (this.peer.remoteDescription === null) return this.early.push(candidate);
    await this.peer.addIceCandidate(candidate);
  }

  async look() {
    const stats = [...(await this.peer.getStats()).values()].filter((one) => one.type === "inbound-rtp");
    const received = Object.fromEntries(stats.map((one) => [one.kind, one.bytesReceived]));
    return { connection: this.peer.connectionState, call: this.state, received, heard: this.heard, error: this.error || null };
  }

  async hangUp() {
    await this.ask("POST", `/api/calls/${this.call}/hangup`);
  }
}
