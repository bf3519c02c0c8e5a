export default { multipass: true };
